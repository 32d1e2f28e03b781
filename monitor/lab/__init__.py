"""The fault lab: a server that speaks chat protocols and fails in every way, chosen by the URL."""
