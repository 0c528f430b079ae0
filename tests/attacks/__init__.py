"""What strangers may try at the public forms, as programs that can be run at full size."""
