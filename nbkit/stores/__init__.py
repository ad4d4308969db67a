"""Folders of files, here or elsewhere: a folder of this machine, or any address that fsspec reaches."""
