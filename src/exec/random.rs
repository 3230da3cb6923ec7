//! Secrets that are made here: random texts for the places of a document that
//! ask for one. The bytes are the operating system's. This module must not keep
//! or show what it makes.

use crate::command::{Command, Recipe};
use crate::value::Value;

use super::ExecError;

/// Fills a buffer with the operating system's random bytes.
///
/// # Errors
/// When it has none.
pub fn fill(bytes: &mut [u8]) -> Result<(), ExecError> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => done += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                return Err(ExecError::failed(format!("no random bytes from the system: {error}")));
            }
        }
    }
    Ok(())
}

/// The command with every place of its document filled. What is made is
/// sensitive.
///
/// # Errors
/// When there is no randomness, or no placeholder at a place: then the document
/// is not what was planned.
pub fn filled(
    command: &Command,
    random: &dyn Fn(&mut [u8]) -> Result<(), ExecError>,
) -> Result<Command, ExecError> {
    let mut command = command.clone();
    for fill in std::mem::take(&mut command.fills) {
        let mut place = command.stdin.as_mut();
        for segment in fill.at.segments() {
            place = match place {
                Some(Value::Map(map)) => map.get_mut(segment),
                _ => None,
            };
        }
        let Some(place) =
            place.filter(|place| place.as_str() == Some(fill.recipe.placeholder().as_str()))
        else {
            return Err(ExecError::InputUnknown);
        };
        let text = make(&fill.recipe, random)?;
        *place = Value::Sensitive(Box::new(Value::String(text)));
    }
    Ok(command)
}

/// A text by a recipe. Every letter is as likely as every other.
fn make(
    recipe: &Recipe,
    random: &dyn Fn(&mut [u8]) -> Result<(), ExecError>,
) -> Result<String, ExecError> {
    let letters = recipe.alphabet.letters();
    // Bytes beyond the last whole round of letters would favour the first ones.
    let fair = 256 - 256 % letters.len();
    let mut text = recipe.prefix.clone();
    let mut missing = recipe.length;
    while missing > 0 {
        let mut bytes = [0_u8; 64];
        random(&mut bytes)?;
        for byte in bytes.into_iter().map(usize::from).filter(|byte| *byte < fair).take(missing) {
            text.extend(letters.get(byte % letters.len()).copied().map(char::from));
            missing -= 1;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::command::{Alphabet, Tool};
    use crate::value::{Map, Path};

    fn recipe(alphabet: Alphabet) -> Recipe {
        Recipe { prefix: "tok_".into(), length: 15, alphabet }
    }

    fn command(recipe: &Recipe) -> Command {
        let data = Map::from([
            ("token".to_owned(), Value::from(recipe.placeholder())),
            ("name".to_owned(), Value::from("x")),
        ]);
        let document = Value::Map(Map::from([("stringData".to_owned(), Value::Map(data))]));
        Command::write(Tool::Kubectl, &["create", "-f", "-"])
            .with_stdin(document)
            .with_fill(Path::new("stringData").join("token"), recipe.clone())
    }

    fn token(command: &Command) -> String {
        let json = command.stdin.as_ref().unwrap().reveal().unwrap();
        json["stringData"]["token"].as_str().unwrap().to_owned()
    }

    #[test]
    fn each_text_is_new_and_of_its_alphabet() {
        for alphabet in [Alphabet::Alphanumeric, Alphabet::Lowercase, Alphabet::Hex] {
            let recipe = recipe(alphabet);
            let mut seen = BTreeSet::new();
            for _ in 0..50 {
                let made = filled(&command(&recipe), &fill).unwrap();
                assert!(made.fills.is_empty());
                assert!(!format!("{made:?}").contains(&token(&made)), "it is sensitive");
                let text = token(&made);
                let letters = text.strip_prefix("tok_").unwrap();
                assert_eq!(letters.len(), 15);
                assert!(letters.bytes().all(|letter| alphabet.letters().contains(&letter)));
                assert!(seen.insert(text), "twice the same");
            }
        }
    }

    #[test]
    fn letters_are_equally_likely() {
        // Every byte once: each letter comes as often, and the rest is thrown away.
        let next = std::cell::Cell::new(0_u8);
        let counting = |bytes: &mut [u8]| {
            for byte in bytes {
                *byte = next.get();
                next.set(next.get().wrapping_add(1));
            }
            Ok(())
        };
        let recipe =
            Recipe { prefix: String::new(), length: 248, ..recipe(Alphabet::Alphanumeric) };
        let text = make(&recipe, &counting).unwrap();
        for letter in Alphabet::Alphanumeric.letters() {
            assert_eq!(text.bytes().filter(|found| found == letter).count(), 4);
        }
    }

    #[test]
    fn what_is_not_filled_is_not_sent() {
        let planned = command(&recipe(Alphabet::Hex));
        assert_eq!(super::super::input(&planned), Err(ExecError::InputUnknown));
        assert!(super::super::input(&filled(&planned, &fill).unwrap()).is_ok());
        let mut other = planned;
        other.stdin = Some(Value::map());
        assert_eq!(filled(&other, &fill), Err(ExecError::InputUnknown));
    }

    #[test]
    fn without_randomness_nothing_is_made() {
        let none = |_: &mut [u8]| Err(ExecError::failed("none"));
        assert!(filled(&command(&recipe(Alphabet::Hex)), &none).is_err());
    }
}
