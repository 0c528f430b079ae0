// An edition under way: every two seconds the page is asked for anew, and its moving parts take the place of the old ones.
// Without this script, and once it was stopped, there is a link to refresh the page.
(() => {
  const EVERY = 2000;
  const HEARD = 1500; // so long a screen reader has before the page is loaded anew
  const STEPS = [25, 50, 75, 100];
  const part = () => document.getElementById("progress");
  const said = document.getElementById("said");
  const live = document.getElementById("live");
  const refresh = live.querySelector("a");
  const stop = document.createElement("button");
  let timer = 0;
  let stopped = false;
  let told = { state: part().dataset.state, step: 0 };

  const reached = () => STEPS.filter((step) => Number(part().dataset.done) >= step).pop() || 0;

  // Screen readers hear of quarters and of a change of state, and not of every tick.
  const tell = () => {
    const state = part().dataset.state;
    const step = reached();
    if (state !== told.state) said.textContent = part().dataset.word;
    else if (step > told.step) said.textContent = `${step} %`;
    told = { state, step };
  };

  const ask = async () => {
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("progress");
      if (stopped) return;
      if (!fresh) return location.reload();
      for (const other of page.querySelectorAll("[data-renewed]")) document.getElementById(other.id)?.replaceWith(other);
      if (part().contains(document.activeElement)) return next(); // nobody's button goes away under their finger
      part().replaceWith(fresh);
      tell();
      if (!fresh.hasAttribute("data-live")) return setTimeout(() => location.reload(), HEARD);
    } catch {
      // The site does not answer just now; the next question may be answered.
    }
    next();
  };
  const next = () => { timer = setTimeout(ask, EVERY); };

  stop.type = "button";
  stop.className = "link";
  stop.textContent = "Stop updating";
  stop.addEventListener("click", () => {
    stopped = true;
    clearTimeout(timer);
    live.replaceChildren("It is not updated any more. ", refresh);
    refresh.focus();
  });
  live.replaceChildren("Updates every 2 seconds. ", stop);
  told.step = reached();
  next();
})();
