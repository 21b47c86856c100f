//! The machine and the walls, looked at from outside the roles.

use std::process::Command;

use super::{Finding, Level};
use crate::roles::wall;

/// The packaged roles: each unit `haechi-ROLE.service`. A new role is a line here and a unit in `installer/pkg`.
const ROLES: [&str; 3] = ["core", "model", "door"];

/// Properties of a role's unit that must read so while it runs, each a promise of the hardening page.
const PROMISES: [(&str, &str); 9] = [
    ("PrivateNetwork", "yes"),
    ("NoNewPrivileges", "yes"),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("CapabilityBoundingSet", ""),
    ("RestrictAddressFamilies", "AF_UNIX"),
    ("DevicePolicy", "closed"),
    ("IPAddressDeny", "::/0 0.0.0.0/0"),
];

/// Whether the kernel's clock follows a time server. Freshness, certificates and the order of facts hang on it.
pub(super) fn clock() -> Finding {
    match haechi_sys::clock::synchronised() {
        Ok(true) => Finding::good("clock", "the clock follows a time source"),
        Ok(false) => Finding::notice(
            "clock",
            "the clock follows no time source: \"as of\" and certificates are only as right as it is",
            "configure a time server (chrony, systemd-timesyncd); in a container, on its host",
        ),
        Err(error) => Finding::notice(
            "clock",
            format!("the kernel does not say whether the clock is right: {error}"),
            "check it with `timedatectl`",
        ),
    }
}

/// Whether this very process has taken its lock: the core, when it is asked.
pub(super) fn own_lock() -> Option<Finding> {
    std::env::var_os(crate::roles::ROLE_VARIABLE)?;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    // Under `haechi up` rights of the person who started it stay, unused; a unit's are looked at by `walls`.
    let open: Vec<_> =
        wall::missing(&status).into_iter().filter(|line| !line.contains("CapabilityBoundingSet")).collect();
    Some(if open.is_empty() {
        Finding::good("lock", "the core has locked itself in: no Internet sockets, no other programs")
    } else {
        Finding::broken("lock", format!("the core runs unlocked: {}", open.join("; ")), "use a kernel with seccomp")
    })
}

/// Whether each packaged role runs behind the walls its unit promises.
pub(super) fn walls() -> Vec<Finding> {
    ROLES.into_iter().filter_map(walls_of).collect()
}

fn walls_of(role: &str) -> Option<Finding> {
    let unit = format!("haechi-{role}.service");
    let names: Vec<_> = PROMISES.iter().map(|(name, _)| *name).collect();
    let shown = Command::new("systemctl")
        .args([
            "show",
            &unit,
            "-p",
            &format!("LoadState,ActiveState,ConditionResult,MainPID,Result,{}", names.join(",")),
        ])
        .output();
    let text = match shown {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(output) => return Some(unknown(role, &String::from_utf8_lossy(&output.stderr))),
        Err(error) => return Some(unknown(role, &error.to_string())),
    };
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
    let pid = value("MainPID");
    if value("ActiveState") != "active" || pid == "0" {
        return not_running(role, value("ActiveState"), value("Result"));
    }
    let mut open = broken_promises(&text);
    match std::fs::read_to_string(format!("/proc/{pid}/status")) {
        Ok(status) => open.extend(wall::missing(&status).into_iter().map(str::to_owned)),
        Err(error) => open.push(format!("its status cannot be read ({error})")),
    }
    // Only root may compare; anybody else is told nothing by the kernel.
    let network = |who: &str| std::fs::read_link(format!("/proc/{who}/ns/net")).ok();
    if let (Some(its), Some(ours)) = (network(pid), network("self"))
        && its == ours
    {
        open.push("it shares the machine's network".to_owned());
    }
    Some(if open.is_empty() {
        Finding::good(&format!("wall {role}"), "stands: no network, no rights, no other role's files")
    } else {
        Finding {
            level: Level::Broken,
            ..Finding::broken(
                &format!("wall {role}"),
                format!("does not stand: {}", open.join("; ")),
                &format!(
                    "`systemctl cat {unit}` shows what was changed; `systemctl revert {unit}`, then `haechi setup --apply`"
                ),
            )
        }
    })
}

fn not_running(role: &str, state: &str, result: &str) -> Option<Finding> {
    let item = format!("wall {role}");
    match (role, state) {
        ("door", "inactive") => Some(Finding::notice(
            &item,
            "the door is shut: nothing comes in from the network",
            "if something should, name it in haechi.toml and run `haechi setup --apply`",
        )),
        ("model", "inactive") => Some(Finding::notice(
            &item,
            "no model runs: answers are assembled from the record, note summaries only quote",
            "put a GGUF file into /var/lib/haechi/models and `systemctl start haechi-model`",
        )),
        _ => Some(Finding::broken(
            &item,
            format!("the role does not run ({state}, {result})"),
            &format!("`journalctl -u haechi-{role}` says why; then `systemctl restart haechi.target`"),
        )),
    }
}

fn unknown(role: &str, why: &str) -> Finding {
    Finding::broken(
        &format!("wall {role}"),
        format!("systemd does not say how it stands: {}", why.trim()),
        "run this on the machine itself, as root",
    )
}

/// The promises that the properties of a unit, as `systemctl show` prints them, do not keep.
fn broken_promises(shown: &str) -> Vec<String> {
    let words = |text: &str| {
        let mut words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        words.sort();
        words
    };
    let kept = |name: &str, promised: &str| {
        shown
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .any(|value| words(value) == words(promised))
    };
    PROMISES
        .iter()
        .filter(|(name, promised)| !kept(name, promised))
        .map(|(name, _)| format!("{name} is not as promised"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_unit_is_noticed() {
        let kept: String = PROMISES.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        assert!(broken_promises(&kept).is_empty());
        assert!(broken_promises(&kept.replace("::/0 0.0.0.0/0", "0.0.0.0/0 ::/0")).is_empty(), "order says nothing");
        for (from, to, name) in [
            ("PrivateNetwork=yes", "PrivateNetwork=no", "PrivateNetwork"),
            ("CapabilityBoundingSet=\n", "CapabilityBoundingSet=cap_net_raw\n", "CapabilityBoundingSet"),
            ("RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies=AF_INET AF_UNIX", "RestrictAddressFamilies"),
            ("IPAddressDeny=::/0 0.0.0.0/0\n", "IPAddressDeny=\n", "IPAddressDeny"),
        ] {
            let found = broken_promises(&kept.replace(from, to));
            assert!(found.len() == 1 && found[0].starts_with(name), "{found:?}");
        }
    }
}
