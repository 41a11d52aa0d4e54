"""What is known about models without asking a host: facts, prices, token counts.

Nothing here opens a socket, and nothing is read from disk before the first use.
"""
