import sys
from pathlib import Path
from relay.node import serve
sys.exit(serve(Path(sys.argv[2])))
