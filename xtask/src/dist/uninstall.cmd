@rem Removes what install.cmd has installed. Captures and stems that were kept stay.
@call "%~dp0install.cmd" undo
