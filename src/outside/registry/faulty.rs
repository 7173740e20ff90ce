//! A registry that goes wrong at a chosen call, for tests of what builds on it.

use std::sync::Mutex;

use crate::outside::registry::{
    ErrorKind, LayerId, LayerRegistry, LayerVersion, ListedVersion, NewVersion, RegistryError, Statement, Storage,
};

/// When an error comes, seen from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The store was not reached.
    Before,
    /// The store has acted, and its answer is lost.
    After,
}

/// One planned error: of the `call`-th call (0 is the first).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) call: usize,
    pub(crate) when: When,
    pub(crate) kind: ErrorKind,
}

/// Passes calls on, counts them, and fails as planned.
pub(crate) struct FaultyRegistry<'r> {
    inner: &'r dyn LayerRegistry,
    faults: Vec<Fault>,
    calls: Mutex<Vec<&'static str>>,
}

impl<'r> FaultyRegistry<'r> {
    pub(crate) fn new(inner: &'r dyn LayerRegistry, faults: &[Fault]) -> Self {
        Self { inner, faults: faults.to_vec(), calls: Mutex::default() }
    }

    /// The names of all calls so far.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    fn call<T>(&self, name: &'static str, act: impl FnOnce() -> Result<T, RegistryError>) -> Result<T, RegistryError> {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(name);
            calls.len() - 1
        };
        match self.faults.iter().find(|fault| fault.call == number) {
            None => act(),
            Some(fault) => {
                if fault.when == When::After {
                    act()?;
                }
                Err(RegistryError::new(fault.kind, name, "planned"))
            }
        }
    }
}

impl LayerRegistry for FaultyRegistry<'_> {
    fn list_versions(&self, layer: &LayerId) -> Result<Vec<ListedVersion>, RegistryError> {
        self.call("list", || self.inner.list_versions(layer))
    }
    fn get_version(&self, layer: &LayerId, number: u64) -> Result<LayerVersion, RegistryError> {
        self.call("get", || self.inner.get_version(layer, number))
    }
    fn publish(&self, layer: &LayerId, version: &NewVersion<'_>) -> Result<LayerVersion, RegistryError> {
        self.call("publish", || self.inner.publish(layer, version))
    }
    fn read_policy(&self, layer: &LayerId, number: u64) -> Result<Vec<Statement>, RegistryError> {
        self.call("policy", || self.inner.read_policy(layer, number))
    }
    fn add_permission(&self, layer: &LayerId, number: u64, statement: &Statement) -> Result<(), RegistryError> {
        self.call("permit", || self.inner.add_permission(layer, number, statement))
    }
    fn delete_version(&self, layer: &LayerId, number: u64) -> Result<(), RegistryError> {
        self.call("delete", || self.inner.delete_version(layer, number))
    }
    fn list_layers(&self, region: &str) -> Result<Vec<String>, RegistryError> {
        self.call("layers", || self.inner.list_layers(region))
    }
    fn read_zip(&self, layer: &LayerId, number: u64) -> Result<Vec<u8>, RegistryError> {
        self.call("zip", || self.inner.read_zip(layer, number))
    }
    fn remove_permission(&self, layer: &LayerId, number: u64, id: &str) -> Result<(), RegistryError> {
        self.call("forbid", || self.inner.remove_permission(layer, number, id))
    }
    fn storage(&self, region: &str) -> Result<Option<Storage>, RegistryError> {
        self.call("storage", || self.inner.storage(region))
    }
}
