//! The runbook is true: every command of `docs/operating.md` is run, in its order, and says what the page says it does.
//! Numbers, times, names and ids may differ. `DAYBOOK_WRITE_PAGES=1` prints the page with what the commands said now.

use journal_tests::process::Program;

use crate::shop::books::{STOCK, lines, share};
use crate::shop::{BOUND, SITES, Shop, expect_done};

/// Stands for lines, or an end of a line, that the page leaves out.
const LEFT_OUT: &str = "...";
/// How much of the history is told.
const LINES: usize = 1_400;

/// A command with what it is to say.
struct Shown {
    command: String,
    output: Vec<String>,
}

/// The commands of all blocks of a page.
fn shown(page: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match line.strip_prefix("$ ") {
                Some(command) => all.push(Shown { command: command.to_owned(), output: Vec::new() }),
                None => all.last_mut().expect("output comes after a command").output.push(line.to_owned()),
            },
            (false, _) => {}
        }
    }
    all
}

/// The words of a command, quotes taken off.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in command.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A line without what differs from run to run: digits, ids, the width of columns, who ran it.
fn masked(line: &str) -> String {
    let word = |word: &str| -> String {
        if let Some((before, _)) = word.split_once('@') {
            let who = before.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
            if who {
                return "WHO".to_owned();
            }
        }
        let mut text = String::new();
        for letter in word.chars() {
            let letter = if letter.is_ascii_digit() { '#' } else { letter };
            if letter != '#' || !text.ends_with('#') {
                text.push(letter);
            }
        }
        let id = word.len() >= 32 && word.chars().all(|letter| letter.is_ascii_hexdigit() || letter == '-');
        if id { "ID".to_owned() } else { text }
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// Whether what was said is what the page shows.
fn agrees(shown: &[String], said: &[String]) -> bool {
    match (shown.split_first(), said.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == LEFT_OUT => {
            (0..=said.len()).any(|skipped| agrees(rest, &said[skipped..]))
        }
        (Some((first, rest)), Some((line, more))) => {
            let same = match first.strip_suffix(LEFT_OUT) {
                Some(begin) => masked(line).starts_with(&masked(begin)),
                None => masked(first) == masked(line),
            };
            same && agrees(rest, more)
        }
        _ => false,
    }
}

/// Runs a command; what it said, errors and remarks first.
fn run(shop: &Shop, command: &str) -> Vec<String> {
    let words = words(command);
    assert_eq!(words[0], "daybook", "{command}");
    let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let program: Program = shop.command(&arguments).env("USER", "dba");
    let ended = program.run();
    let said: Vec<String> =
        ended.stderr.lines().chain(ended.stdout.lines()).map(|line| line.trim_end().to_owned()).collect();
    let failed = said.iter().any(|line| line.starts_with("error "));
    assert_eq!(ended.code != Some(0), failed, "{command}: {ended:?}");
    said
}

#[test]
fn every_command_of_the_runbook_does_what_the_page_says() {
    let page = include_str!("../../docs/operating.md");
    let shop = Shop::sqlite();
    let service = shop.serve(&SITES);
    let history = lines(LINES);
    shop.append("a", &history[..STOCK]);
    shop.settle();
    for (nr, site) in SITES.iter().enumerate() {
        shop.append(site, &share(&history, nr));
    }
    shop.settle();
    let all = shown(page);
    assert!(all.len() > 10, "the page shows {} commands", all.len());
    let mut wrong = Vec::new();
    for Shown { command, output } in &all {
        let said = run(&shop, command);
        if std::env::var_os("DAYBOOK_WRITE_PAGES").is_some() {
            println!("$ {command}\n{}", said.join("\n"));
        }
        if !agrees(output, &said) {
            wrong.push(format!("$ {command}\nthe page:\n{}\nsaid:\n{}", output.join("\n"), said.join("\n")));
        }
    }
    service.terminate();
    expect_done("run", &service.wait(BOUND));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn pages_are_compared_but_for_what_differs_from_run_to_run() {
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    assert!(agrees(&lines("a  12 rows\n..."), &lines("a 7 rows\nmore\nand more")));
    assert!(agrees(&lines("by dba@vm at 2026-01-01T00:00:00Z"), &lines("by x@y at 2027-11-11T11:11:11Z")));
    assert!(agrees(&lines("error: ..."), &lines("error: anything")));
    assert!(!agrees(&lines("a 12 rows"), &lines("b 12 rows")));
    assert!(!agrees(&lines("a\n...\nz"), &lines("a\nb")));
    assert_eq!(words("daybook a --b \"c d\""), ["daybook", "a", "--b", "c d"]);
}
