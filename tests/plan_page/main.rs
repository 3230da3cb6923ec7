//! The page of a plan in a real browser: what is drawn, what keys and clicks
//! do, and that nothing leaves the page.
//!
//! The browser is `target/tools/bin/chromium` (`tests/tools/install`). Without
//! it every case is reported as ignored, by name; where CI is set, that is a
//! failure. `LKH_ACCEPT=1` takes the picture in `docs/` anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a case that does not hold ends with a panic"
)]

mod browser;
mod plans;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use browser::Browser;
use libtest_mimic::{Arguments, Failed, Trial};
use lkh::plan::Plan;
use lkh::report::html::page;
use serde_json::json;

type Case = fn(&Browser);

const CASES: &[(&str, Case)] = &[
    ("the_graph_is_drawn", the_graph_is_drawn),
    ("a_click_shows_the_difference", a_click_shows_the_difference),
    ("the_list_is_searched_and_filtered", the_list_is_searched_and_filtered),
    ("the_list_is_used_by_keys", the_list_is_used_by_keys),
    ("the_graph_is_used_by_keys", the_graph_is_used_by_keys),
    ("the_graph_is_zoomed_and_moved", the_graph_is_zoomed_and_moved),
    ("the_risks_are_sorted", the_risks_are_sorted),
    ("both_schemes_can_be_read", both_schemes_can_be_read),
    ("what_is_hostile_stays_text", what_is_hostile_stays_text),
    ("the_page_may_ask_for_nothing", the_page_may_ask_for_nothing),
    ("a_thousand_resources_stay_usable", a_thousand_resources_stay_usable),
    ("a_large_stack_with_few_changes_shows_them", a_large_stack_with_few_changes_shows_them),
    ("nothing_to_do_is_said", nothing_to_do_is_said),
    ("it_is_read_without_its_script_and_printed", it_is_read_without_its_script_and_printed),
    ("the_picture_of_the_documents", the_picture_of_the_documents),
];

static DANGEROUS: LazyLock<Plan> = LazyLock::new(plans::dangerous);

fn main() {
    let arguments = Arguments::from_args();
    let strict = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let program = chromium();
    let trials = CASES.iter().map(|&(name, case)| {
        let found = program.clone();
        let trial = Trial::test(name, move || {
            let Some(program) = &found else {
                return Err(Failed::from(
                    "there is no target/tools/bin/chromium: tests/tools/install",
                ));
            };
            let browser = Browser::start(program);
            case(&browser);
            assert_eq!(browser.errors(), Vec::<String>::new(), "something went wrong in the page");
            for request in browser.requests() {
                assert!(
                    request.starts_with("file://") && request.ends_with("/plan.html"),
                    "{request}"
                );
            }
            Ok(())
        });
        trial.with_ignored_flag(program.is_none() && !strict)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn chromium() -> Option<PathBuf> {
    let tools = std::env::var_os("LKH_TEST_TOOLS")
        .filter(|value| !value.is_empty())
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools"), PathBuf::from);
    Some(tools.join("bin/chromium")).filter(|program| program.is_file())
}

/// How many elements there are, and of these how many are seen.
fn count(browser: &Browser, selector: &str) -> (u64, u64) {
    let all = browser.eval(&format!(
        "(() => {{ const all = [...document.querySelectorAll({selector:?})]; \
         return [all.length, all.filter((e) => e.checkVisibility()).length]; }})()"
    ));
    (all[0].as_u64().unwrap(), all[1].as_u64().unwrap())
}

fn focused(browser: &Browser) -> String {
    let text =
        "document.activeElement.id || document.activeElement.parentElement?.parentElement?.id";
    browser.eval(text).as_str().unwrap_or_default().to_owned()
}

fn node_of(address: &str) -> String {
    let at = DANGEROUS.changes.iter().position(|change| change.address.to_string() == address);
    format!("[data-members=\"{}\"]", at.unwrap())
}

fn the_graph_is_drawn(browser: &Browser) {
    browser.open(&page(&DANGEROUS));
    let resources = DANGEROUS.changes.len() as u64;
    assert_eq!(count(browser, "#graph .node"), (resources, resources));
    assert!(count(browser, "#graph .edge").0 >= 40);
    let phases: BTreeSet<_> = DANGEROUS.changes.iter().map(|change| &change.phase).collect();
    assert_eq!(count(browser, "#graph .lane").0, phases.len() as u64);
    // What happens is said by a sign, and what was changed outside by a word.
    for (address, class, sign) in [
        ("S3Bucket.lake", "a-replace", "±"),
        ("HelmRelease.ingext-search-pool", "a-delete", "−"),
        ("IamPolicy.lake-access", "a-update", "~"),
        ("IamRole.karpenter-node", "drift", "~"),
        ("EksCluster.main", "quiet", "·"),
    ] {
        let node = format!("document.querySelector('{}')", node_of(address));
        assert_eq!(
            browser.eval(&format!("{node}.classList.contains('{class}')")),
            true,
            "{address}"
        );
        assert_eq!(browser.eval(&format!("{node}.querySelector('.sign').textContent")), sign);
    }
    // Every box lies inside the picture, and none on another.
    let apart = browser.eval(
        "(() => { const r = [...document.querySelectorAll('.node .body')]\
         .map((e) => e.getBoundingClientRect()); \
         const g = document.getElementById('graph').getBoundingClientRect(); \
         return r.every((a, i) => a.left >= g.left && a.right <= g.right && a.bottom <= g.bottom && \
         r.every((b, j) => i === j || a.right <= b.left || b.right <= a.left || \
         a.bottom <= b.top || b.bottom <= a.top)); })()",
    );
    assert_eq!(apart, true);
    // Nothing is cut off at the right, also on a small screen.
    for width in [1440, 1024, 390] {
        browser.size(width, 900);
        let over = browser.eval(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] : \
             [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && \
             !e.closest('.scroll, pre, svg') && e.getBoundingClientRect().right > \
             document.documentElement.clientWidth + 1).map((e) => e.outerHTML.slice(0, 80))",
        );
        assert_eq!(over, json!([]), "the page is too wide for {width}");
    }
}

fn a_click_shows_the_difference(browser: &Browser) {
    browser.open(&page(&DANGEROUS));
    assert_eq!(count(browser, "#detail"), (1, 0));
    browser.click(&node_of("IamPolicy.lake-access"));
    assert_eq!(count(browser, "#detail"), (1, 1));
    let title = browser.eval("document.getElementById('detail-title').textContent");
    assert_eq!(title, "IamPolicy.lake-access");
    let added = browser.eval(
        "[...document.querySelectorAll('#detail .diff ins')].map((e) => e.textContent).join('')",
    );
    assert!(added.as_str().unwrap().contains("\"s3:*\""), "{added}");
    assert!(count(browser, "#graph .edge.near").0 > 0, "the arrows around it are lit");
    // From it to what needs it, and back to the picture.
    browser.click("#detail .links a");
    assert_ne!(browser.eval("document.getElementById('detail-title').textContent"), title);
    browser.key("Escape");
    assert_eq!(count(browser, "#detail"), (1, 0));
    let chosen = "document.activeElement.getAttribute('data-members')";
    let at = node_of("IamPolicy.lake-access");
    assert_eq!(format!("[data-members={}]", browser.eval(chosen)), at);
    // And from the table of risks.
    browser.click("#risks tbody tr:first-child a");
    let title = browser.eval("document.getElementById('detail-title').textContent");
    assert_eq!(title, "S3Bucket.lake");
    browser.click("#close");
    assert_eq!(count(browser, "#detail"), (1, 0));
}

fn the_list_is_searched_and_filtered(browser: &Browser) {
    browser.open(&page(&DANGEROUS));
    let all = DANGEROUS.changes.len() as u64;
    let shown = |browser: &Browser| count(browser, ".item").1;
    let changing = shown(browser);
    assert!(changing > 5 && changing < all, "{changing}");
    browser.click("#unchanged");
    assert_eq!(shown(browser), all);
    browser.click("#clear");
    assert_eq!(shown(browser), changing);
    browser.click("#search");
    browser.write("s3:* lake-access");
    assert_eq!(shown(browser), 1, "what is in a difference is found too");
    assert_eq!(count(browser, ".node.match").0, 1, "and marked in the picture");
    assert_eq!(browser.eval("document.getElementById('shown').textContent"), "1 of 46 resources");
    browser.key("Escape");
    assert_eq!(shown(browser), changing);
    browser.write("no such thing");
    assert_eq!((shown(browser), count(browser, "#nothing").1), (0, 1));
    browser.click("#clear-too");
    let choose = |facet: &str, value: &str| {
        browser.eval(&format!(
            "(() => {{ const e = document.querySelector('[data-facet={facet}]'); e.value = {value:?}; \
             e.dispatchEvent(new Event('change', {{bubbles: true}})); }})()"
        ));
    };
    for (facet, value, expected) in [
        ("action", "delete", 1),
        ("risk", "data-loss", 1),
        ("kind", "S3Bucket", 1),
        ("mark", "drift", 1),
        ("phase", "storage", 4),
    ] {
        choose(facet, value);
        assert_eq!(shown(browser), expected, "{facet} {value}");
        choose(facet, "");
    }
    browser.click(".tile.a-delete");
    assert_eq!(shown(browser), 1);
    assert_eq!(count(browser, ".tile[aria-pressed=true]").0, 1);
    browser.click(".tile.a-delete");
    assert_eq!(shown(browser), changing);
}

fn the_list_is_used_by_keys(browser: &Browser) {
    browser.open(&page(&DANGEROUS));
    // The first stop leads past the picture.
    browser.key("Tab");
    assert_eq!(browser.eval("document.activeElement.className"), "skip");
    browser.key("/");
    assert_eq!(focused(browser), "search");
    browser.write("karpenter-node");
    browser.key("ArrowDown");
    let first = focused(browser);
    assert!(first.starts_with('r'), "{first}");
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.eval(outline), "solid", "where the focus is can be seen");
    browser.key("Enter");
    let open = format!("document.querySelector('#{first} details').open");
    assert_eq!(browser.eval(&open), true);
    browser.key("Escape");
    assert_eq!(browser.eval(&open), false);
    browser.key("ArrowDown");
    assert_ne!(focused(browser), first);
    browser.key("ArrowRight");
    let second = focused(browser);
    assert_eq!(browser.eval(&format!("document.querySelector('#{second} details').open")), true);
    browser.key("Home");
    assert_eq!(focused(browser), first);
    browser.key("ArrowUp");
    assert_eq!(focused(browser), "search");
    // A slash in the search is a slash.
    browser.key("/");
    assert_eq!(browser.eval("document.getElementById('search').value"), "karpenter-node/");
}

fn the_graph_is_used_by_keys(browser: &Browser) {
    browser.open(&page(&DANGEROUS));
    assert_eq!(count(browser, ".node[tabindex='0']").0, 1, "the picture is one stop");
    let stops = browser.eval(
        "[...document.querySelectorAll('a, button, input, select, summary, [tabindex]')]\
         .filter((e) => e.tabIndex > 0).length",
    );
    assert_eq!(stops, 0, "the order of stops is that of the page");
    for _ in 0..40 {
        browser.key("Tab");
        if browser.eval("document.activeElement.classList.contains('node')") == true {
            break;
        }
    }
    let node = "document.activeElement.dataset.members";
    let begin = browser.eval(node);
    assert!(begin.is_string(), "the tab key reaches the picture");
    browser.key("ArrowRight");
    let right = browser.eval(node);
    assert_ne!(begin, right);
    browser.key("ArrowLeft");
    browser.key("ArrowDown");
    assert_ne!(browser.eval(node), right);
    let at = browser.eval(node);
    browser.key("Enter");
    assert_eq!(count(browser, "#detail").1, 1);
    assert_eq!(browser.eval("document.getElementById('detail').dataset.resource"), at);
    browser.key("Escape");
    assert_eq!((count(browser, "#detail").1, browser.eval(node)), (0, at));
    let roles = browser.eval(
        "[...document.querySelectorAll('.node')].every((e) => \
         e.getAttribute('role') === 'button' && e.getAttribute('aria-label').length > 8)",
    );
    assert_eq!(roles, true);
}

fn the_graph_is_zoomed_and_moved(browser: &Browser) {
    browser.open(&page(&DANGEROUS));
    let view = || {
        let text = browser.eval("document.getElementById('graph').getAttribute('viewBox')");
        let numbers = text.as_str().unwrap().split(' ').map(|number| number.parse().unwrap());
        numbers.collect::<Vec<f64>>()
    };
    let whole = view();
    browser.click("#zoom-in");
    let near = view();
    assert!(near[2] < whole[2] && near[3] < whole[3]);
    let at = browser.eval(
        "(() => { const r = document.getElementById('graph').getBoundingClientRect(); \
         return [r.x + 8, r.y + 8]; })()",
    );
    let to = json!([at[0].as_f64().unwrap() + 60.0, at[1].as_f64().unwrap() + 40.0]);
    browser.mouse("mouseMoved", &at, 0);
    browser.mouse("mousePressed", &at, 1);
    browser.mouse("mouseMoved", &to, 1);
    browser.mouse("mouseReleased", &to, 0);
    let moved = view();
    assert!(moved[0] < near[0] && moved[1] < near[1], "{near:?} {moved:?}");
    assert_eq!(count(browser, "#detail").1, 0, "a drag is no click");
    browser.call(
        "Input.dispatchMouseEvent",
        &json!({"type": "mouseWheel", "x": at[0], "y": at[1], "deltaX": 0, "deltaY": -120,
                "modifiers": 2}),
    );
    assert!(view()[2] < moved[2], "the wheel with Ctrl comes nearer");
    browser.click("#zoom-fit");
    assert_eq!(view(), whole);
    browser.eval("document.querySelector('.node[tabindex=\"0\"]').focus()");
    browser.key("-");
    assert!(view()[2] > whole[2]);
    browser.key("0");
    assert_eq!(view(), whole);
}

fn the_risks_are_sorted(browser: &Browser) {
    browser.open(&page(&DANGEROUS));
    let column = |at: usize| {
        let cells = browser.eval(&format!(
            "[...document.querySelectorAll('#risks tbody tr')].map((r) => r.cells[{at}].dataset.s)"
        ));
        let cells = cells.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap().to_owned());
        cells.collect::<Vec<String>>()
    };
    let worst_first = column(0);
    let mut sorted = worst_first.clone();
    sorted.sort();
    assert_eq!(worst_first, sorted);
    assert_eq!(worst_first[0], "0", "data loss stands first");
    browser.click("#risks th:nth-child(6) button");
    browser.click("#risks th:nth-child(6) button");
    let dependents: Vec<usize> = column(5).iter().map(|cell| cell.parse().unwrap()).collect();
    assert!(dependents.is_sorted_by(|a, b| a >= b), "{dependents:?}");
    assert_eq!(count(browser, "th[aria-sort=descending]").0, 1);
}

/// WCAG's contrast of every text with what it stands on, where that is less
/// than level AA asks for.
const FAINT: &str = r"(() => {
  const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility() || e.closest('script, style, title')) continue;
    const style = getComputedStyle(e);
    let on = ground(e);
    let colour = rgb(style.color);
    if (e instanceof SVGElement) {
      colour = rgb(style.fill);
      const under = { sign: '.tab', name: '.body', kind: '.body' }[e.classList[0]];
      on = rgb(getComputedStyle(e.parentElement.querySelector(under || 'rect')).fill);
    }
    const [a, b] = [light(colour), light(on)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${e.tagName}.${e.getAttribute('class')}: ${e.textContent.slice(0, 30)}`);
  }
  return faint;
})()";

fn both_schemes_can_be_read(browser: &Browser) {
    let ground = "getComputedStyle(document.body).backgroundColor";
    let mut grounds = BTreeSet::new();
    for scheme in ["light", "dark"] {
        browser.prefers(scheme, "screen");
        for plan in [&*DANGEROUS, &plans::hostile()] {
            browser.open(&page(plan));
            browser.click("#unchanged");
            browser.eval("for (const one of document.querySelectorAll('details')) one.open = true");
            assert_eq!(browser.eval(FAINT), json!([]), "{scheme}");
        }
        grounds.insert(browser.eval(ground).to_string());
    }
    assert_eq!(grounds.len(), 2, "the page follows the system");
    // The button goes from the system's to light to dark, whatever the system says.
    browser.prefers("light", "screen");
    let light = browser.eval(ground);
    browser.click("#theme");
    browser.click("#theme");
    let dark = browser.eval(ground);
    assert_ne!(light, dark);
    assert_eq!(browser.eval("document.getElementById('theme').textContent"), "Theme: dark");
    assert_eq!(browser.eval(FAINT), json!([]));
}

fn what_is_hostile_stays_text(browser: &Browser) {
    browser.open(&page(&plans::hostile()));
    browser.click(".node");
    assert_eq!(count(browser, "#detail").1, 1);
    assert_eq!(browser.eval("window.harmed === undefined"), true);
    let strangers = "img, link, iframe, object, embed, form[action], svg[onload], [style], base";
    assert_eq!(count(browser, strangers).0, 0);
    assert_eq!(count(browser, "script").0, 1);
    assert_eq!(count(browser, "style").0, 1);
    let text = browser.eval("document.getElementById('detail').textContent");
    let text = text.as_str().unwrap();
    assert!(text.contains("<img src=x onerror=\"window.harmed=1\">"), "it is shown as it is");
    assert!(text.contains("{{list}}") && text.contains("\\u{202e}\\u{1b}"), "{text}");
    browser.click("#close");
    browser.click("#search");
    browser.write("onerror");
    assert_eq!(count(browser, ".item").1, 1);
}

fn the_page_may_ask_for_nothing(browser: &Browser) {
    browser.open(&page(&DANGEROUS));
    assert_eq!(browser.requests().len(), 1, "only itself");
    // Even code in the page could reach nothing: what it tries is refused before it is sent.
    let refused =
        browser.eval("fetch('http://127.0.0.1:9/leak').then(() => 'sent', () => 'refused')");
    assert_eq!(refused, "refused");
    let image = browser.eval(
        "new Promise((done) => { const i = new Image(); i.onload = () => done('sent'); \
         i.onerror = () => done('refused'); i.src = 'http://127.0.0.1:9/leak.png'; })",
    );
    assert_eq!(image, "refused");
    let markup = browser.eval(
        "(() => { try { document.body.innerHTML = '<b>x</b>'; return 'taken'; } \
         catch { return 'refused'; } })()",
    );
    assert_eq!(markup, "refused", "text becomes no markup");
    assert!(!browser.errors().is_empty(), "the policy says that it refused");
    // What follows is about a page in which nobody tried.
    browser.open(&page(&DANGEROUS));
}

fn a_thousand_resources_stay_usable(browser: &Browser) {
    browser.open(&page(&plans::large(1000, true)));
    let boxes = count(browser, ".node").0;
    assert!((20..=260).contains(&boxes), "{boxes} boxes");
    assert_eq!(
        count(browser, ".node.a-delete:not(.group)").0,
        20,
        "what is destroyed stands alone"
    );
    assert_eq!(count(browser, ".item").1, 1000);
    browser.click(".node.group");
    let shown = count(browser, ".item").1;
    assert!(shown > 1 && shown < 200, "a box of several narrows the list to them: {shown}");
    browser.click("#clear");
    browser.click("#search");
    browser.write("thing-777");
    assert_eq!(count(browser, ".item").1, 1);
    browser.key("Enter");
    browser.key("Enter");
    assert_eq!(count(browser, ".item details[open]").1, 1);
}

fn a_large_stack_with_few_changes_shows_them(browser: &Browser) {
    browser.open(&page(&plans::large(1000, false)));
    let changing =
        plans::large(1000, false).changes.iter().filter(|one| one.action.is_change()).count();
    assert_eq!(count(browser, ".node:not(.quiet)").0, changing as u64);
    assert_eq!(count(browser, ".node.quiet.group").0, 8, "one box a phase for the others");
    assert_eq!(count(browser, ".item").1, changing as u64);
}

fn nothing_to_do_is_said(browser: &Browser) {
    browser.open(&page(&plans::quiet()));
    let headline = browser.eval("document.getElementById('headline').textContent");
    assert_eq!(headline, "No changes: everything is as declared");
    assert_eq!(count(browser, ".node").0, 2);
    assert_eq!(count(browser, "#risks, #drift, #access").0, 0, "what is empty is left out");
}

fn it_is_read_without_its_script_and_printed(browser: &Browser) {
    let whole = page(&DANGEROUS);
    let (head, _) = whole.split_once("<script>").unwrap();
    browser.open(head);
    assert_eq!(count(browser, ".item").1, DANGEROUS.changes.len() as u64);
    assert_eq!(count(browser, ".filters, #theme, .tools, #copy").1, 0, "no dead buttons");
    assert_eq!(browser.eval("document.querySelector('#risks tbody a').hash.length > 1"), true);
    browser.open(&whole);
    browser.prefers("dark", "print");
    assert_eq!(count(browser, ".filters, #theme, .tools, .keys").1, 0);
    let paper = browser.eval("getComputedStyle(document.querySelector('.card')).backgroundColor");
    assert_eq!(paper, "rgb(255, 255, 255)");
    browser.eval("window.dispatchEvent(new Event('beforeprint'))");
    assert!(count(browser, ".item details[open]").0 > 5, "what is folded is printed");
    browser.eval("window.dispatchEvent(new Event('afterprint'))");
    assert_eq!(count(browser, ".item details[open]").0, 0);
    let pdf = browser.call("Page.printToPDF", &json!({}));
    assert!(pdf["data"].as_str().unwrap().len() > 20_000);
}

fn the_picture_of_the_documents(browser: &Browser) {
    browser.size(1440, 1120);
    browser.open(&page(&DANGEROUS));
    picture(browser, "plan-page.png");
    browser.size(1200, 760);
    browser.prefers("dark", "screen");
    browser.click(&node_of("IamPolicy.lake-access"));
    assert_eq!(count(browser, "#detail").1, 1);
    picture(browser, "plan-change.png");
}

fn picture(browser: &Browser, name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    let taken = browser.screenshot();
    assert!(taken.len() > 40_000, "the page is not empty");
    if std::env::var_os("LKH_ACCEPT").is_some() {
        std::fs::write(&file, &taken).unwrap();
    }
    let kept = std::fs::read(&file).unwrap();
    assert!(kept.len() < 300_000, "{} bytes", kept.len());
    // The width and height of a PNG stand in its head.
    assert_eq!(kept[16..24], taken[16..24], "LKH_ACCEPT=1 takes {name} anew");
}
