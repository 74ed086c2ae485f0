"""What people read: examples of every card and modal, and the rules that all of them keep."""
