"""What stands in the folder above, which is not on the path of this folder's programs.

Once this is imported, the modules of that folder can be imported, too.
"""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))

from bad_input import name_and_times, names_of, one_line_errors, positive_integer

__all__ = ["name_and_times", "names_of", "one_line_errors", "positive_integer"]
