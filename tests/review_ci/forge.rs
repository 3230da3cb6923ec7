//! A forge on the loopback address: just enough of GitHub's and GitLab's
//! comments to talk to the scripts.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value as Json, json};

/// The token that the forge takes.
pub const TOKEN: &str = "canary-token-5f1e";
/// The pull request that there is.
pub const PULL: u64 = 12;
/// What it was merged as.
pub const MERGED: &str = "1111111111111111111111111111111111111111";

/// A comment.
#[derive(Debug, Clone)]
pub struct Comment {
    pub id: u64,
    pub author: String,
    pub body: String,
}

#[derive(Default)]
struct Kept {
    comments: Vec<Comment>,
    asked: Vec<String>,
    refuse: bool,
}

/// The forge, until the process ends.
#[derive(Clone)]
pub struct Forge {
    pub url: String,
    kept: Arc<Mutex<Kept>>,
}

impl Forge {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::new(Mutex::new(Kept::default()));
        let forge = Self { url, kept: Arc::clone(&kept) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &kept);
            }
        });
        forge
    }

    /// Writes a comment as someone.
    pub fn write(&self, author: &str, body: &str) {
        let mut kept = self.kept.lock().unwrap();
        let id = kept.comments.len() as u64 + 1;
        kept.comments.push(Comment { id, author: author.into(), body: body.into() });
    }

    /// Every comment of an author.
    pub fn by(&self, author: &str) -> Vec<Comment> {
        let kept = self.kept.lock().unwrap();
        kept.comments.iter().filter(|one| one.author == author).cloned().collect()
    }

    /// Changes what a comment says.
    pub fn rewrite(&self, id: u64, change: impl Fn(&str) -> String) {
        let mut kept = self.kept.lock().unwrap();
        let comment = kept.comments.iter_mut().find(|one| one.id == id).unwrap();
        comment.body = change(&comment.body);
    }

    /// The requests that changed something, and forgets them.
    pub fn changes(&self) -> Vec<String> {
        let asked = std::mem::take(&mut self.kept.lock().unwrap().asked);
        asked.into_iter().filter(|one| !one.starts_with("GET ")).collect()
    }

    /// From now on every request is refused.
    pub fn refuse(&self) {
        self.kept.lock().unwrap().refuse = true;
    }
}

/// Who the forge's token writes as.
pub const ROBOT: &str = "github-actions[bot]";

fn answer(stream: TcpStream, kept: &Mutex<Kept>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let (mut length, mut known) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap();
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => known |= value == format!("Bearer {TOKEN}"),
            "private-token" => known |= value == TOKEN,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body: Json = serde_json::from_slice(&body).unwrap_or_default();
    let mut kept = kept.lock().unwrap();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    kept.asked.push(format!("{method} {path}"));
    let (code, answer) = if !known {
        (401, json!({"message": "Bad credentials"}))
    } else if kept.refuse {
        (403, json!({"message": "Resource not accessible by integration"}))
    } else {
        act(&mut kept, &method, path, query, &body)
    };
    let text = answer.to_string();
    let _ = write!(
        reader.get_mut(),
        "HTTP/1.1 {code} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{text}",
        text.len()
    );
}

fn act(kept: &mut Kept, method: &str, path: &str, query: &str, body: &Json) -> (u16, Json) {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let pull = PULL.to_string();
    let text = || body["body"].as_str().unwrap_or_default().to_owned();
    match (method, parts.as_slice()) {
        ("GET", ["user"]) => (200, json!({"id": 7})),
        (
            "GET",
            ["repos", "o", "r", "issues", number, "comments"]
            | ["projects", "9", "merge_requests", number, "notes"],
        ) if *number == pull => (200, page(&kept.comments, query)),
        (
            "POST",
            ["repos", "o", "r", "issues", number, "comments"]
            | ["projects", "9", "merge_requests", number, "notes"],
        ) if *number == pull => {
            let id = kept.comments.len() as u64 + 1;
            kept.comments.push(Comment { id, author: ROBOT.into(), body: text() });
            (201, json!({"id": id, "html_url": format!("https://forge.test/{id}")}))
        }
        ("PATCH", ["repos", "o", "r", "issues", "comments", id])
        | ("PUT", ["projects", "9", "merge_requests", _, "notes", id]) => {
            let Some(comment) = kept.comments.iter_mut().find(|one| one.id.to_string() == *id)
            else {
                return (404, json!({"message": "Not Found"}));
            };
            comment.body = text();
            (200, json!({"id": comment.id, "html_url": format!("https://forge.test/{id}")}))
        }
        ("GET", ["repos", "o", "r", "commits", sha, "pulls"]) => {
            let mut pulls = vec![json!({"number": 3, "merged_at": null, "merge_commit_sha": sha})];
            if *sha == MERGED {
                pulls.push(json!({"number": PULL, "merged_at": "2026-01-01T00:00:00Z",
                                  "merge_commit_sha": MERGED}));
            }
            (200, json!(pulls))
        }
        ("GET", ["projects", "9", "repository", "commits", sha, "merge_requests"]) => {
            let found = if *sha == MERGED {
                json!([{"iid": PULL, "state": "merged", "merge_commit_sha": MERGED}])
            } else {
                json!([])
            };
            (200, found)
        }
        _ => (404, json!({"message": format!("{method} {path}")})),
    }
}

/// A page of comments, as both forges give them.
fn page(comments: &[Comment], query: &str) -> Json {
    let number = |name: &str, otherwise: usize| {
        let found = query.split('&').find_map(|one| one.strip_prefix(&format!("{name}=")));
        found.map_or(otherwise, |text| text.parse().unwrap())
    };
    let (size, page) = (number("per_page", 30).min(100), number("page", 1));
    comments
        .iter()
        .skip(size * (page - 1))
        .take(size)
        .map(|one| {
            let author = if one.author == ROBOT { 7 } else { 8 };
            json!({"id": one.id, "body": one.body, "system": false,
                   "user": {"login": one.author}, "author": {"id": author}})
        })
        .collect()
}
