//! One page in the browser.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use super::Browser;

/// A tab.
pub struct Page<'a> {
    browser: &'a mut Browser,
    target: Value,
    session: String,
    /// Events before this one belong to other pages.
    first: usize,
}

impl<'a> Page<'a> {
    /// Opens a tab of this size with these colours preferred, and waits until the file in it is loaded.
    pub fn open(browser: &'a mut Browser, file: &Path, size: (u32, u32), scheme: &str) -> Self {
        Self::visit(browser, &format!("file://{}", file.display()), size, scheme)
    }

    /// The same of an address. Times are shown in UTC.
    pub fn visit(browser: &'a mut Browser, url: &str, (width, height): (u32, u32), scheme: &str) -> Self {
        let target = browser.call(None, "Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call(None, "Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let first = browser.events().len();
        let mut page = Self { browser, target, session, first };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        page.call("Emulation.setTimezoneOverride", &json!({ "timezoneId": "UTC" }));
        page.resize(width, height);
        page.prefer(scheme);
        let since = page.browser.events().len();
        let went = page.call("Page.navigate", &json!({ "url": url }));
        assert!(went["errorText"].is_null(), "{went}");
        page.browser.wait(&page.session, since, "Page.loadEventFired");
        page
    }

    /// Sends a command of the protocol.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        self.browser.call(Some(&self.session), method, params)
    }

    /// Sets the size of the window in CSS pixels.
    pub fn resize(&mut self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Sets what the reader prefers: `light` or `dark`.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &features);
    }

    /// The value of an expression, awaited if it is a promise.
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", &params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        for _ in 0..600 {
            if self.value(expression) == true {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("not true within 30 s: {expression}");
    }

    /// Moves the pointer, with the first button pressed or not.
    pub fn mouse(&mut self, kind: &str, (x, y): (f64, f64), pressed: bool) {
        let button = if kind == "mouseMoved" && !pressed { "none" } else { "left" };
        let params = json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": u8::from(pressed), "clickCount": 1 });
        self.call("Input.dispatchMouseEvent", &params);
    }

    /// Presses a key and releases it, e.g. `Tab` or `Enter`.
    pub fn key(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            other => panic!("the code of {other} is not known here"),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" && kind == "keyDown" { "\r" } else { "" };
            let params = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
            self.call("Input.dispatchKeyEvent", &params);
        }
    }

    /// Presses the first button at one point and releases it at another.
    pub fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.mouse("mouseMoved", from, false);
        self.mouse("mousePressed", from, true);
        for step in 1..=4 {
            let part = f64::from(step) / 4.0;
            self.mouse("mouseMoved", (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part), true);
        }
        self.mouse("mouseReleased", to, false);
    }

    /// What is in the window, as PNG.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let shot = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }

    /// What the page complained of: exceptions, console errors and warnings, refused content.
    pub fn complaints(&self) -> Vec<String> {
        let complaint = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => ["error", "warning", "assert"].iter().any(|kind| event["params"]["type"] == **kind),
            Some("Log.entryAdded") => ["error", "warning"].iter().any(|level| event["params"]["entry"]["level"] == **level),
            _ => false,
        };
        self.own().filter(complaint).map(|event| event["params"].to_string()).collect()
    }

    /// What the page asked for, itself not counted.
    pub fn requests(&self) -> Vec<String> {
        let asked = self.own().filter(|event| event["method"] == "Network.requestWillBeSent");
        let urls = asked.filter(|event| event["params"]["type"] != "Document").map(|event| event["params"]["request"]["url"].to_string());
        urls.filter(|url| !url.starts_with("\"data:") && !url.starts_with("\"blob:")).collect()
    }

    fn own(&self) -> impl Iterator<Item = &Value> {
        self.browser.events().iter().skip(self.first).filter(|event| event["sessionId"] == self.session.as_str())
    }
}

/// A tab that stays open keeps its streams, and a browser opens six connections to a server at most.
impl Drop for Page<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.browser.call(None, "Target.closeTarget", &json!({ "targetId": self.target }));
        }
    }
}
