"""The benchmarks of docs/reference/performance.md: the real code on made-up data, measured on this machine.

Promises: nothing is left behind and no home is touched; mail goes to loopback only, whatever the environment says;
CPU seconds and not wall seconds are what is compared, since machines are shared; what is measured beside our own code
runs in the same run. Refuses: to give figures when the far end did not get exactly what the ledger says.
"""
