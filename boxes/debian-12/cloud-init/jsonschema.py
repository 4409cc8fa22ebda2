# cloud-init does without it: what it would say about a user's file comes too late to be read here.
raise ImportError("not used in this box")
