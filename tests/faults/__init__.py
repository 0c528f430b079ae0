"""What happens to a running send when the machine around it misbehaves: real processes, real faults, the truth outside.

The send is `digest run --until-idle` in a process of its own; who got what is told by a mail server in another one,
or by a Maildir, that no fault touches. FAULTS=full takes more readers and longer faults.
"""
