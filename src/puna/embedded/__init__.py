"""Runs llama.cpp's server as a child process, and constrains its small model to a format."""
