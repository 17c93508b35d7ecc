use super::sim::{Fault, FaultKind, SimDisk};
use super::*;

fn path(text: &str) -> PathBuf {
    PathBuf::from(text)
}

fn store(disk: &SimDisk) -> Store {
    Store::new(Arc::new(disk.clone()))
}

#[test]
fn a_file_put_if_absent_stays_whole_or_is_not_there() {
    let mut images = 0;
    for at in 0.. {
        let disk = SimDisk::new().with_fault(Fault {
            at,
            kind: FaultKind::PowerLoss,
        });
        let put = store(&disk).put_if_absent(&path("/0.json"), b"the whole commit");
        for image in disk.images(at) {
            images += 1;
            match store(&image).read(&path("/0.json")).unwrap() {
                Some(bytes) => assert_eq!(bytes, b"the whole commit"),
                None => assert!(put.is_err(), "acknowledged and lost"),
            }
        }
        if put.is_ok() && disk.operations() <= at {
            break;
        }
    }
    assert!(images > 10, "{images}");
}

#[test]
fn only_one_of_two_puts_wins() {
    let disk = SimDisk::new();
    assert!(store(&disk).put_if_absent(&path("/0"), b"one").unwrap());
    assert!(!store(&disk).put_if_absent(&path("/0"), b"two").unwrap());
    assert_eq!(store(&disk).read(&path("/0")).unwrap().unwrap(), b"one");
    assert_eq!(store(&disk).list(&path("/")).unwrap().len(), 1);
}

#[test]
fn a_replaced_file_is_the_old_or_the_new() {
    for at in 0..12 {
        let disk = SimDisk::new();
        store(&disk).replace(&path("/x"), b"old").unwrap();
        disk.repaired();
        let disk = disk.with_fault(Fault {
            at,
            kind: FaultKind::PowerLoss,
        });
        let done = store(&disk).replace(&path("/x"), b"new one");
        for image in disk.images(at) {
            let bytes = store(&image).read(&path("/x")).unwrap().unwrap();
            assert!(bytes == b"new one" || (bytes == b"old" && done.is_err()));
        }
    }
}

#[test]
fn after_a_failed_sync_nothing_is_written() {
    for at in 0.. {
        let disk = SimDisk::new().with_fault(Fault {
            at,
            kind: FaultKind::Once(io::ErrorKind::Other),
        });
        let store = store(&disk);
        let first = store.put_if_absent(&path("/0"), b"one");
        if at >= disk.operations() {
            break;
        }
        let Err(error) = first else {
            // Only taking the temporary name away may fail unsaid.
            assert_eq!(store.list(&path("/")).unwrap().len(), 2);
            continue;
        };
        let second = store.put_if_absent(&path("/1"), b"two");
        if error.kind() == ErrorKind::Poisoned {
            assert_eq!(second.unwrap_err().code(), "TM0743");
        } else {
            assert!(second.unwrap());
        }
    }
}

#[test]
fn a_directory_stays_with_those_above_it() {
    let disk = SimDisk::new();
    store(&disk).make_directory(&path("/a/b/c")).unwrap();
    for image in disk.images(1) {
        let about = store(&image).about(&path("/a/b/c")).unwrap();
        assert!(about.unwrap().is_directory);
    }
    store(&disk).remove_tree(&path("/a")).unwrap();
    assert_eq!(store(&disk).list(&path("/")).unwrap(), []);
}

#[test]
fn a_full_disk_says_so_and_leaves_nothing() {
    let disk = SimDisk::new().with_fault(Fault {
        at: 1,
        kind: FaultKind::Full,
    });
    let error = store(&disk).put_if_absent(&path("/0"), b"one").unwrap_err();
    assert!(error.to_string().contains("make room"), "{error}");
    disk.repaired();
    assert!(store(&disk).read(&path("/0")).unwrap().is_none());
    assert!(store(&disk).put_if_absent(&path("/0"), b"one").unwrap());
}

#[test]
fn the_real_disk_does_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::real();
    let deep = directory.path().join("a/b");
    store.make_directory(&deep).unwrap();
    assert!(store.put_if_absent(&deep.join("0"), b"one").unwrap());
    assert!(!store.put_if_absent(&deep.join("0"), b"two").unwrap());
    store.replace(&deep.join("0"), b"three").unwrap();
    assert_eq!(store.read(&deep.join("0")).unwrap().unwrap(), b"three");
    assert_eq!(store.list(&deep).unwrap().len(), 1);
    drop(store.create(&deep.join("half")).unwrap());
    assert_eq!(store.list(&deep).unwrap().len(), 1);
    store.remove_tree(&directory.path().join("a")).unwrap();
    assert!(store.read(&deep.join("0")).unwrap().is_none());
    assert_ne!(unique(), unique());
    assert_ne!(told_apart(), told_apart());
}
