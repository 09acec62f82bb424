//! A process that may only read, in a folder where it may make nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use keywright::Request;
use keywright::blocking::Keywright;

use super::asks_each_time;
use keywright_tests::site::process::{self, bound_by_modes, inside};
use keywright_tests::site::{Site, config, create, files, until, verdict};

#[test]
fn who_may_only_read_sees_what_a_writer_does() {
    let test = who_may_only_read_sees_what_a_writer_does;
    if let Some((folder, text)) = inside() {
        let (data, signs) = (folder.join("data"), folder.join("signs"));
        let file = data.join("keys.db");
        assert!(fs::write(data.join("probe"), "").is_err(), "file modes do not bind this process");
        let open = |config: keywright::Config| Keywright::open(config.read_only(true)).unwrap();
        let [watched, unwatched, cold] =
            [config(&file), config(&file).unwatched(), config(&file).keys_in_memory(0)].map(open);
        for expected in ["allowed", "disabled", "allowed", "revoked"] {
            until("the writer has spoken", || signs.join(expected).exists());
            let found = [&watched, &unwatched, &cold].map(|it| verdict(it, &text));
            assert_eq!(found, [expected; 3]);
            // Its memory is of use to it: the index of the log can be mapped by who may only read it.
            let known = watched.try_verify(text.as_str(), &Request::new());
            let known = known.map(|it| keywright_tests::site::word(&it));
            assert_eq!(known, (!asks_each_time("watched")).then_some(expected));
            fs::remove_file(signs.join(expected)).unwrap();
        }
        return [watched, unwatched, cold].iter().for_each(Keywright::close);
    }
    let site = Site::new();
    let [data, signs] = ["data", "signs"].map(|it| site.folder().join(it));
    fs::create_dir(&data).unwrap();
    fs::create_dir(&signs).unwrap();
    let file = data.join("keys.db");
    let kw = Keywright::open(config(&file)).unwrap();
    let key = create(&kw, "CI");
    kw.keys().get(&key.id).unwrap();
    files(&file).iter().for_each(|it| fs::set_permissions(it, Permissions::from_mode(0o400)).unwrap());
    fs::set_permissions(&data, Permissions::from_mode(0o500)).unwrap();
    let process = process::start(test, bound_by_modes(), site.folder(), key.api_key.reveal());
    type Step = fn(&Keywright, &keywright::KeyId);
    let steps: [(&str, Step); 4] = [
        ("allowed", |_, _| {}),
        ("disabled", |kw, id| drop(kw.keys().disable(id, ()).unwrap())),
        ("allowed", |kw, id| drop(kw.keys().enable(id, ()).unwrap())),
        ("revoked", |kw, id| drop(kw.keys().revoke(id, ()).unwrap())),
    ];
    for (sign, step) in steps {
        step(&kw, &key.id);
        fs::write(signs.join(sign), "").unwrap();
        until("the reader has seen it", || !signs.join(sign).exists());
    }
    process.passes();
    fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
    kw.close();
}
