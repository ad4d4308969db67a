"""JupyterLab and saved pages in a real browser, used as a person uses them."""
