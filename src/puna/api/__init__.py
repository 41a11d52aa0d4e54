"""The functions of `import puna`: calls over one lazily made default client, and model facts."""
