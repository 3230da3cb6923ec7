//! A headless Chromium, driven through its own pipe.
//!
//! Messages of the DevTools protocol go through two named pipes, each ended by
//! a NUL: no port is opened, and nothing but this process can talk to it.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

/// How long a page may take with everything, before it is taken for hung.
const DEADLINE: Duration = Duration::from_secs(120);

/// The browser, with one page.
pub struct Browser {
    child: Arc<std::sync::Mutex<Child>>,
    done: Arc<AtomicBool>,
    state: RefCell<Pipes>,
    session: String,
    profile: tempfile::TempDir,
}

struct Pipes {
    to: File,
    from: BufReader<File>,
    last: u64,
    events: Vec<Json>,
}

impl Browser {
    /// Starts it with an empty profile, and opens an empty page.
    pub fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let pipe = |name: &str| -> PathBuf {
            let path = profile.path().join(name);
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success(), "mkfifo");
            path
        };
        let (to, from) = (pipe("to"), pipe("from"));
        // The protocol is spoken on the descriptors 3 and 4.
        let child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<\"$TO\" 4>\"$FROM\"", "sh"])
            .arg(program)
            .args(["--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args([
                "--hide-scrollbars",
                "--force-color-profile=srgb",
                "--disable-background-networking",
            ])
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .env("TO", &to)
            .env("FROM", &from)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let child = Arc::new(std::sync::Mutex::new(child));
        let done = Arc::new(AtomicBool::new(false));
        watch(Arc::clone(&child), Arc::clone(&done));
        let to = OpenOptions::new().write(true).open(to).unwrap();
        let from = BufReader::new(File::open(from).unwrap());
        let state = RefCell::new(Pipes { to, from, last: 0, events: Vec::new() });
        let mut browser = Self { child, done, state, session: String::new(), profile };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = browser.call(
            "Target.attachToTarget",
            &json!({"targetId": target["targetId"], "flatten": true}),
        );
        browser.session.push_str(attached["sessionId"].as_str().unwrap());
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser.size(1440, 1000);
        browser
    }

    /// One call of the protocol, and its answer.
    pub fn call(&self, method: &str, parameters: &Json) -> Json {
        let mut state = self.state.borrow_mut();
        state.last += 1;
        let id = state.last;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        state.to.write_all(&bytes).unwrap();
        loop {
            let answer = next(&mut state);
            if answer["id"] == json!(id) {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            state.events.push(answer);
        }
    }

    /// How large the window is.
    pub fn size(&self, width: u32, height: u32) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}),
        );
    }

    /// What the system prefers: `light` or `dark`; and the medium.
    pub fn prefers(&self, scheme: &str, medium: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", &json!({"media": medium, "features": features}));
    }

    /// Opens a page's text as a file, and waits until it is loaded.
    pub fn open(&self, html: &str) {
        let file = self.profile.path().join("plan.html");
        fs::write(&file, html).unwrap();
        self.state.borrow_mut().events.clear();
        // A page that was open before is left, whatever it is called.
        self.call("Page.navigate", &json!({"url": format!("file://{}", file.display())}));
        let mut state = self.state.borrow_mut();
        while !state.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = next(&mut state);
            state.events.push(event);
        }
    }

    /// What an expression comes to in the page.
    pub fn eval(&self, expression: &str) -> Json {
        let parameters = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        let answer = self.call("Runtime.evaluate", &parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Presses and releases a key, as a person would.
    pub fn key(&self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "Escape" => (27, ""),
            "ArrowUp" => (38, ""),
            "ArrowDown" => (40, ""),
            "ArrowRight" => (39, ""),
            "ArrowLeft" => (37, ""),
            "Home" => (36, ""),
            "End" => (35, ""),
            one => (0, one),
        };
        let mut event = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code});
        if !text.is_empty() {
            event["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", &event);
        let event = json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", &event);
    }

    /// Types a text.
    pub fn write(&self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// Moves the mouse to the middle of an element and clicks.
    pub fn click(&self, selector: &str) {
        let at = self.eval(&format!(
            "(() => {{ const e = document.querySelector({selector:?}); \
             e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect(); \
             return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        ));
        self.mouse("mouseMoved", &at, 0);
        self.mouse("mousePressed", &at, 1);
        self.mouse("mouseReleased", &at, 0);
    }

    /// One event of the mouse at a place.
    pub fn mouse(&self, kind: &str, at: &Json, buttons: u8) {
        self.call(
            "Input.dispatchMouseEvent",
            &json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "buttons": buttons,
                    "clickCount": 1}),
        );
    }

    /// The visible part of the page as a PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", &json!({"format": "png"}));
        unbase64(answer["data"].as_str().unwrap())
    }

    /// What went wrong in the page since it was opened: exceptions, errors of
    /// the console, refusals of its content security policy.
    pub fn errors(&self) -> Vec<String> {
        let bad = |event: &&Json| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] != "log",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] != "verbose",
            _ => false,
        };
        self.state
            .borrow()
            .events
            .iter()
            .filter(bad)
            .map(|event| event["params"].to_string())
            .collect()
    }

    /// Every address that was asked for since the page was opened.
    pub fn requests(&self) -> Vec<String> {
        let state = self.state.borrow();
        let asked = state.events.iter().filter(|event| {
            matches!(
                event["method"].as_str(),
                Some("Network.requestWillBeSent" | "Network.webSocketCreated")
            )
        });
        asked
            .map(|event| {
                let parameters = &event["params"];
                let url = parameters["request"]["url"].as_str().or(parameters["url"].as_str());
                url.unwrap_or("?").to_owned()
            })
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Ends a browser that hangs, so that whoever reads from it goes on.
fn watch(child: Arc<std::sync::Mutex<Child>>, done: Arc<AtomicBool>) {
    thread::spawn(move || {
        let begun = Instant::now();
        while !done.load(Ordering::SeqCst) {
            if begun.elapsed() > DEADLINE {
                if let Ok(mut child) = child.lock() {
                    let _ = child.kill();
                }
                return;
            }
            thread::sleep(Duration::from_millis(200));
        }
    });
}

fn next(state: &mut Pipes) -> Json {
    let mut bytes = Vec::new();
    state.from.read_until(0, &mut bytes).unwrap();
    assert_eq!(bytes.pop(), Some(0), "the browser ended");
    serde_json::from_slice(&bytes).unwrap()
}

fn unbase64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0_u32, |bits, &c| bits << 6 | u32::from(value(c)));
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend(bits.to_be_bytes().iter().skip(1).take(four.len() - 1));
    }
    bytes
}
