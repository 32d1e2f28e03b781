"""Run one Langchain-Chatchat API server, made ready from two settings files in one process instead of three."""

import argparse
import runpy
from importlib import import_module


def prepare() -> None:
    """Make the folders and tables that `chatchat init` makes, and none of its templates and samples.

    The package writes folders and tables into CHATCHAT_ROOT. Its own `init` does the same six seconds slower, since
    it imports everything in a process of its own and then copies sample documents.
    """
    import_module("chatchat.settings").Settings.basic_settings.make_dirs()
    import_module("chatchat.server.knowledge_base.migrate").create_tables()


def main() -> None:
    """Prepare the root, then pass the command line to the unchanged server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True)
    parser.parse_args()
    prepare()
    runpy.run_module("chatchat.server.api_server.server_app", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
