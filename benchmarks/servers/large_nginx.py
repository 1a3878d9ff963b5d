"""nginx, in one process, with the files of a directory."""

import os
from pathlib import Path

from benchmarks.servers.startup import ADDRESS, arguments

CONFIGURATION = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  sendfile on;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{ listen {address}:{port}; root {directory}; }}
}}
"""


def main(port: int, directory: str) -> None:
    """Become nginx."""
    file = Path(directory, "nginx.conf")
    file.write_text(CONFIGURATION.format(address=ADDRESS, port=port, directory=directory))
    os.execvp("nginx", ["nginx", "-e", "stderr", "-p", directory, "-c", str(file)])


if __name__ == "__main__":
    options = arguments(__doc__, directory=True)
    main(options.port, options.directory)
