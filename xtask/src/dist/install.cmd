@echo off
rem Installs the plugin and the command for this user alone, without an administrator's rights.
rem Run it again to replace an older version; uninstall.cmd takes all of it away.
setlocal
set "here=%~dp0"
set "common=%LOCALAPPDATA%\Programs\Common"
set "data=%LOCALAPPDATA%\sextet"
if defined SEXTET_DATA set "data=%SEXTET_DATA%"
if /i "%~1"=="undo" goto undo

if not exist "%here%Sextet.vst3\*" goto packed
call :place Sextet.vst3 "%common%\VST3"
if errorlevel 1 goto failed
call :place Sextet.clap "%common%\CLAP"
if errorlevel 1 goto failed
call :place sextet.exe "%data%\bin"
if errorlevel 1 goto failed
echo.
echo Have your host search for new plugins.
pause
exit /b 0

:undo
call :remove "%common%\VST3\Sextet.vst3"
if errorlevel 1 goto failed
call :remove "%common%\CLAP\Sextet.clap"
if errorlevel 1 goto failed
call :remove "%data%\bin\sextet.exe"
if errorlevel 1 goto failed
echo.
echo Captures and stems that were kept stay in "%data%".
pause
exit /b 0

:packed
echo This has to be unpacked first: in the Explorer, "Extract all" of the archive, then install.cmd in the new folder.
pause
exit /b 1

:failed
echo.
echo Close your host and whatever else uses Sextet, see that the disk has room, and try again.
pause
exit /b 1

rem Copies %1 to the folder %2: beside its place first, so that hosts find the old one or the new one, never half of one.
:place
set "place=%~2\%~1"
set "new=%~2\.%~1.new"
set "old=%~2\.%~1.old"
if not exist "%~2\" mkdir "%~2"
call :delete "%new%"
if errorlevel 1 exit /b 1
call :delete "%old%"
if errorlevel 1 exit /b 1
if exist "%here%%~1\*" xcopy "%here%%~1" "%new%" /e /i /q /y >nul
if not exist "%here%%~1\*" copy /b /y "%here%%~1" "%new%" >nul
if errorlevel 1 exit /b 1
if exist "%place%" move "%place%" "%old%" >nul
if exist "%place%" exit /b 1
move "%new%" "%place%" >nul
if not exist "%place%" exit /b 1
call :delete "%old%"
echo installed "%place%"
exit /b 0

:remove
if not exist "%~1" echo not there: "%~1"
if not exist "%~1" exit /b 0
call :delete "%~1"
if errorlevel 1 exit /b 1
echo removed "%~1"
exit /b 0

rem Deletes the file or folder %1, if there is one.
:delete
if exist "%~1\*" rmdir /s /q "%~1"
if exist "%~1" del /f /q "%~1"
if exist "%~1" exit /b 1
exit /b 0
