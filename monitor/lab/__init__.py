"""The fault lab: a server for chat protocols that fails in every way, selected by the URL."""
