"""The people who get the mail: who they are, what they chose, and what may reach them."""
