//! The namespaces section: own or shared, and with whom; each with its numbers where asked for.

use crate::model::inspection::Namespace;
use crate::model::namespace::Kind;
use crate::model::text::Text;
use crate::render::table::align;

/// Other containers that are named of one namespace.
const FEW: usize = 3;

pub(super) fn lines(namespaces: &[Namespace], everything: bool) -> Vec<String> {
    if namespaces.is_empty() {
        return vec!["-".to_owned()];
    }
    if everything {
        return table(namespaces);
    }
    let list = |chosen: &dyn Fn(&Namespace) -> bool| {
        let kinds = namespaces.iter().filter(|namespace| chosen(namespace));
        kinds.map(|namespace| namespace.kind.name()).collect::<Vec<_>>().join(" ")
    };
    let own = list(&|namespace| namespace.own);
    let shared = list(&|namespace| !namespace.own);
    let mut lines = vec![match (own.is_empty(), shared.is_empty()) {
        (true, _) => format!("all shared with the host: {shared}"),
        (false, true) => format!("own {own}"),
        (false, false) => format!("own {own} · shared with the host {shared}"),
    }];
    let mut told: Vec<&[Text]> = Vec::new();
    for namespace in namespaces.iter().filter(|namespace| !namespace.shared_with.is_empty()) {
        if !told.contains(&namespace.shared_with.as_slice()) {
            told.push(&namespace.shared_with);
            let kinds = list(&|other| other.shared_with == namespace.shared_with);
            lines.push(format!("{kinds} shared with {}", few(&namespace.shared_with)));
        }
    }
    for namespace in namespaces {
        if namespace.for_children_inode.is_some() {
            lines.push(format!("its next child gets another {} namespace", namespace.kind));
        }
    }
    lines
}

fn table(namespaces: &[Namespace]) -> Vec<String> {
    let heading = ["KIND", "INODE", "OWNED BY", "NSID", "SHARED WITH"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for namespace in namespaces {
        let owner = namespace.owner_inode.map(|inode| format!("{}:[{inode}]", Kind::User));
        let shared = match (namespace.own, namespace.shared_with.is_empty()) {
            (false, _) => "the host".to_owned(),
            (true, true) => "-".to_owned(),
            (true, false) => few(&namespace.shared_with),
        };
        rows.push(vec![
            namespace.kind.name().to_owned(),
            namespace.inode.to_string(),
            owner.unwrap_or_else(|| "-".to_owned()),
            namespace.nsid.map_or_else(|| "-".to_owned(), |id| id.to_string()),
            shared,
        ]);
    }
    let mut lines: Vec<String> = align(rows, &[false, true, false, true, false])
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    for namespace in namespaces {
        if let Some(inode) = namespace.for_children_inode {
            lines.push(format!("its next child gets {}:[{inode}]", namespace.kind));
        }
    }
    lines
}

fn few(containers: &[Text]) -> String {
    let mut names: Vec<String> = containers.iter().take(FEW).map(Text::to_string).collect();
    if let Some(more) = containers.len().checked_sub(FEW).filter(|more| *more > 0) {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(own: bool, kind: Kind, shared_with: &[&str]) -> Namespace {
        Namespace {
            kind,
            inode: 4_026_531_840,
            own,
            shared_with: shared_with.iter().map(|name| Text::from(*name)).collect(),
            owner_inode: own.then_some(4_026_531_837),
            nsid: own.then_some(77),
            for_children_inode: None,
        }
    }

    #[test]
    fn what_is_shared_is_told_once_for_those_it_is_shared_with() {
        let mut namespaces = vec![
            of(true, Kind::Mnt, &[]),
            of(true, Kind::Uts, &["docker:a", "docker:b"]),
            of(true, Kind::Net, &["docker:a", "docker:b"]),
            of(true, Kind::Pid, &["a", "b", "c", "d", "e"]),
            of(false, Kind::User, &[]),
        ];
        assert_eq!(
            lines(&namespaces, false),
            [
                "own mnt uts net pid · shared with the host user",
                "uts net shared with docker:a, docker:b",
                "pid shared with a, b, c, 2 more",
            ]
        );
        namespaces[3].for_children_inode = Some(9);
        assert_eq!(
            lines(&namespaces, false).last().map(String::as_str),
            Some("its next child gets another pid namespace")
        );
        let table = lines(&namespaces, true);
        assert_eq!(table[0], "KIND       INODE  OWNED BY           NSID  SHARED WITH");
        assert_eq!(table[1], "mnt   4026531840  user:[4026531837]    77  -");
        assert_eq!(table[5], "user  4026531840  -                     -  the host");
    }
}
