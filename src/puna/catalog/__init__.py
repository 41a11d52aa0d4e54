"""What is known of models without asking anybody: facts, prices, token counts.

Nothing here opens a socket, and nothing is read from disk before the first look-up.
"""
