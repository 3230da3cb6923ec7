//! Changes of a state that a person asks for: take out, call otherwise, put
//! another state or the backup in its place. Pure: each says why it may not be.

use super::State;
use crate::address::Address;

/// Why a state is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No record has this address.
    #[error("{0} is not in the state; `lkh state list` shows what is")]
    NotThere(Address),
    /// A record has this address already.
    #[error("{0} is in the state already; an address stands for one object")]
    Taken(Address),
    /// Addresses of different kinds.
    #[error("{from} and {to} are of different kinds, and an object keeps its kind")]
    OtherKind {
        /// What it is called.
        from: Address,
        /// What it was to be called.
        to: Address,
    },
    /// The new state is of something else.
    #[error("it is of {what} {theirs}, and the present state is of {what} {ours}")]
    Foreign {
        /// Stack, lineage, account or region.
        what: &'static str,
        /// What the new one says.
        theirs: String,
        /// What the present one says.
        ours: String,
    },
    /// The new state is older.
    #[error("its serial {theirs} is lower than {ours}, that of the present state: it is older")]
    Older {
        /// The serial of the new one.
        theirs: u64,
        /// The serial of the present one.
        ours: u64,
    },
    /// Two states of one serial that are not the same.
    #[error("it has the serial {0}, as the present state, and another content")]
    SameSerial(u64),
}

impl State {
    /// Takes a resource out; its object is left as it is.
    ///
    /// # Errors
    /// When it is not there.
    pub fn take_out(&mut self, address: &Address) -> Result<(), Refused> {
        let record = self.resources.remove(address);
        record.map(drop).ok_or_else(|| Refused::NotThere(address.clone()))
    }

    /// Gives a resource another address, also where others depend on it.
    ///
    /// # Errors
    /// When it is not there, the other address is taken, or of another kind.
    pub fn call_otherwise(&mut self, from: &Address, to: &Address) -> Result<(), Refused> {
        if from.kind != to.kind {
            return Err(Refused::OtherKind { from: from.clone(), to: to.clone() });
        }
        if !self.resources.contains_key(from) {
            return Err(Refused::NotThere(from.clone()));
        }
        if self.resources.contains_key(to) {
            return Err(Refused::Taken(to.clone()));
        }
        if let Some(record) = self.resources.remove(from) {
            self.resources.insert(to.clone(), record);
        }
        for record in self.resources.values_mut() {
            if record.dependencies.remove(from) {
                record.dependencies.insert(to.clone());
            }
        }
        Ok(())
    }

    /// Whether this state may take the place of the present one, and whether
    /// that changes anything.
    ///
    /// # Errors
    /// When it is of something else, or older.
    pub fn may_replace(&self, present: &State) -> Result<bool, Refused> {
        let foreign = [
            ("stack", &self.stack, &present.stack),
            ("lineage", &self.lineage, &present.lineage),
            ("account", &self.account, &present.account),
            ("region", &self.region, &present.region),
        ]
        .into_iter()
        .find(|(_, theirs, ours)| theirs != ours);
        if let Some((what, theirs, ours)) = foreign {
            return Err(Refused::Foreign { what, theirs: theirs.clone(), ours: ours.clone() });
        }
        match self.serial.cmp(&present.serial) {
            std::cmp::Ordering::Less => {
                Err(Refused::Older { theirs: self.serial, ours: present.serial })
            }
            std::cmp::Ordering::Equal if self == present => Ok(false),
            std::cmp::Ordering::Equal => Err(Refused::SameSerial(self.serial)),
            std::cmp::Ordering::Greater => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::state;

    fn address(name: &str) -> Address {
        format!("IamRole.{name}").parse().unwrap()
    }

    #[test]
    fn another_name_is_known_to_those_that_depend_on_it() {
        let mut state = state();
        let mut other = state.resources[&address("x")].clone();
        other.dependencies = [address("x")].into();
        state.resources.insert(address("z"), other);
        state.call_otherwise(&address("x"), &address("y")).unwrap();
        assert!(!state.resources.contains_key(&address("x")));
        assert_eq!(state.resources[&address("z")].dependencies, [address("y")].into());
        let gone = state.call_otherwise(&address("x"), &address("w"));
        assert_eq!(gone, Err(Refused::NotThere(address("x"))));
        let taken = state.call_otherwise(&address("z"), &address("y"));
        assert_eq!(taken, Err(Refused::Taken(address("y"))));
        let other: Address = "IamPolicy.y".parse().unwrap();
        let kinds = state.call_otherwise(&address("z"), &other);
        assert!(matches!(kinds, Err(Refused::OtherKind { .. })));
    }

    #[test]
    fn only_a_newer_state_of_the_same_history_takes_its_place() {
        let present = State { serial: 4, ..state() };
        assert_eq!(present.may_replace(&present), Ok(false));
        assert_eq!(State { serial: 5, ..state() }.may_replace(&present), Ok(true));
        let older = State { serial: 3, ..state() }.may_replace(&present);
        assert_eq!(older, Err(Refused::Older { theirs: 3, ours: 4 }));
        let mut edited = present.clone();
        edited.take_out(&address("x")).unwrap();
        assert_eq!(edited.may_replace(&present), Err(Refused::SameSerial(4)));
        for foreign in [
            State { stack: "b".into(), ..present.clone() },
            State { lineage: "b".into(), ..present.clone() },
            State { account: "b".into(), ..present.clone() },
            State { region: "b".into(), ..present.clone() },
        ] {
            assert!(matches!(foreign.may_replace(&present), Err(Refused::Foreign { .. })));
        }
    }
}
