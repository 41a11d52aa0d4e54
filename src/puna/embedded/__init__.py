"""The local engine as a supervised child process, and what makes a small model keep to a shape."""
