//! Runs a command on a pseudoterminal, as a person does.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::{
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

/// How long a text may take to appear.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Variables that choose colors.
const COLOR_VARIABLES: [&str; 4] = ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"];

/// A command on a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    /// The part of the screen that was already expected, in bytes.
    seen: usize,
}

/// Removes the variables that choose colors, and names a terminal that has them.
pub(crate) fn with_color_terminal(command: &mut Command) {
    for name in COLOR_VARIABLES {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color");
}

impl Terminal {
    /// Starts a command on a terminal with this many columns. setsid(1) makes it the controlling
    /// terminal, so that Ctrl-C is a signal and prompts for secrets find it.
    pub(crate) fn start(command: &Command, columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).unwrap();
        let peer = ioctl_tiocgptpeer(&terminal, flags).unwrap();
        let mut wrapped = Command::new("setsid");
        wrapped.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        let stdio = || Stdio::from(peer.try_clone().unwrap());
        let child = wrapped.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let keyboard = File::from(terminal);
        let mut output = keyboard.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            let mut pending = Vec::new();
            // The read fails when the command has ended.
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                pending.extend_from_slice(&bytes[..length]);
                let valid = match std::str::from_utf8(&pending) {
                    Ok(text) => text.len(),
                    Err(error) => error.valid_up_to(),
                };
                let rest = pending.split_off(valid);
                shown.lock().unwrap().push_str(std::str::from_utf8(&pending).unwrap());
                pending = rest;
            }
        });
        Self { child, keyboard, screen, reader: Some(reader), seen: 0 }
    }

    /// Everything that was shown so far.
    pub(crate) fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits until a text appears after the one that was expected last.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) {
        let started = Instant::now();
        loop {
            let screen = self.screen();
            if let Some(position) = screen[self.seen..].find(text) {
                self.seen += position + text.len();
                return;
            }
            assert!(started.elapsed() < TIMEOUT, "{text:?} is not on the screen: {screen}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types a text.
    pub(crate) fn send(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// Waits for a prompt, and types an answer and Enter.
    #[track_caller]
    pub(crate) fn answer(&mut self, prompt: &str, answer: &str) {
        self.expect(prompt);
        self.send(&format!("{answer}\n"));
    }

    /// Waits for a prompt for a secret until it hides what is typed, and answers it.
    #[track_caller]
    pub(crate) fn answer_secret(&mut self, prompt: &str, answer: &str) {
        self.expect(prompt);
        self.wait_until_hidden();
        self.send(&format!("{answer}\n"));
    }

    /// Waits until the terminal hides what is typed.
    #[track_caller]
    pub(crate) fn wait_until_hidden(&self) {
        let started = Instant::now();
        while self.shows_typing() {
            assert!(started.elapsed() < TIMEOUT, "the terminal shows the secret");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// True when the terminal shows what is typed.
    pub(crate) fn shows_typing(&self) -> bool {
        tcgetattr(&self.keyboard).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Waits until the command ends; its exit code, and what was shown.
    pub(crate) fn wait(mut self) -> (i32, String) {
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        (status.code().unwrap_or(-1), self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A failed test must not leave a process behind.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
