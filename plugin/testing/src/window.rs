//! A window of Windows, for an editor to be opened in.

use std::ffi::c_void;
use std::ptr;

use windows_sys::Win32::Foundation::HWND;
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DestroyWindow, DispatchMessageW, MSG, PM_REMOVE, PeekMessageW,
    TranslateMessage, WS_CLIPCHILDREN, WS_POPUP, WS_VISIBLE,
};

/// A window without a frame, in the screen's corner. It belongs to the thread that has opened it.
pub struct Window(HWND);

impl Window {
    /// Opens a window of this title and size, in pixels.
    ///
    /// # Panics
    /// When the system refuses it.
    pub fn open(title: &str, width: i32, height: i32) -> Self {
        let wide = |text: &str| text.encode_utf16().chain([0]).collect::<Vec<_>>();

        // A class of the system's own: nothing has to be registered.
        let (class, title) = (wide("STATIC"), wide(title));
        let style = WS_POPUP | WS_VISIBLE | WS_CLIPCHILDREN;
        let none = ptr::null_mut;

        // SAFETY: both texts end in zero and outlive the call; what it returns is checked.
        let window = unsafe {
            let (class, title) = (class.as_ptr(), title.as_ptr());
            CreateWindowExW(
                0,
                class,
                title,
                style,
                0,
                0,
                width,
                height,
                none(),
                none(),
                none(),
                none(),
            )
        };
        assert!(!window.is_null(), "{}", std::io::Error::last_os_error());
        Self(window)
    }

    /// Returns the handle, which CLAP calls `clap_hwnd`.
    pub fn handle(&self) -> *mut c_void {
        self.0
    }

    /// Handles the messages that wait for windows of this thread, as a host's loop does all the
    /// time: without, an editor draws nothing.
    pub fn handle_messages(&self) {
        let mut message = MSG::default();
        // SAFETY: the message is there to be written, and is handed on as it was got.
        unsafe {
            while PeekMessageW(&raw mut message, ptr::null_mut(), 0, 0, PM_REMOVE) != 0 {
                TranslateMessage(&raw const message);
                DispatchMessageW(&raw const message);
            }
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the window is this thread's, since it cannot be sent to another.
        unsafe {
            DestroyWindow(self.0);
        }
    }
}
