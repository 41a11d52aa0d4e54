"""llama.cpp's server as a supervised child, and what makes a small model keep to a shape."""
