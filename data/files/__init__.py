"""Download, archives, folders of images, and the cache."""
