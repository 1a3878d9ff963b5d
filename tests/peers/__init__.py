"""Programs of other frameworks here, and programs of ours below other servers."""
