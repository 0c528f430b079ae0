"""The words of a language: what of our text is said in which language; its plurals, dates, numbers and lists.

The English text in the code is the source; a gettext catalog beside this file (`es.po`) says it in another language.
Promises: a language without a catalog is English throughout, words and dates alike; a region ("es-MX") has the words
of its language and dates and numbers of its own; no tag, however odd, raises. Refuses: to translate what authors
wrote, and to choose between two languages by anything but tags.
"""

from __future__ import annotations

from digest.languages.catalogs import SOURCE, known
from digest.languages.language import Language, choose, of

__all__ = ["SOURCE", "Language", "choose", "known", "of"]
