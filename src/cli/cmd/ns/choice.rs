//! What the options of `nsx ns` mean: columns, and what has to be looked for to fill them.

use super::Args;
use crate::cli::args::Format;
use crate::cli::error::Failure;
use crate::collect::namespaces::Wants;
use crate::model::census::Relation;
use crate::model::namespace::Kind;
use crate::render::{column, ns};
use crate::sys::ns::parse_name;

pub(super) fn kind(name: &str) -> Result<Kind, String> {
    let known = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    known.ok_or_else(|| {
        let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("there are {}", names.join(", "))
    })
}

pub(super) fn relation(name: &str) -> Result<Relation, String> {
    let known = Relation::ALL.into_iter().find(|relation| relation.name() == name);
    known.ok_or_else(|| "there are owner, parent, process".to_owned())
}

/// `4026531840`, or `net:[4026531840]` as links and listings have it.
pub(super) fn meant(text: &str) -> Result<Meant, String> {
    if let Some(key) = parse_name(text.as_bytes()) {
        return Ok(Meant { inode: key.inode, kind: Some(key.kind) });
    }
    let only_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let inode = text.parse().ok().filter(|_| only_digits);
    let meant = inode.map(|inode| Meant { inode, kind: None });
    meant.ok_or_else(|| "it is a namespace's inode, such as 4026531840".to_owned())
}

/// A namespace by its inode; of that kind, where one was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) inode: u64,
    pub(super) kind: Option<Kind>,
}

pub(super) fn columns(args: &Args) -> &'static [&'static str] {
    match (args.output.format(), args.types.as_slice()) {
        (Format::Wide, _) => &ns::WIDE,
        _ if looks_for_holders(args) => &ns::WITH_HOLDERS,
        _ if args.threads => &ns::WITH_THREADS,
        (_, [Kind::Net]) => &ns::OF_NETWORKS,
        _ => &ns::DEFAULT,
    }
}

const fn looks_for_holders(args: &Args) -> bool {
    args.all || args.persistent || args.sockets
}

/// What the columns that are shown, or that a filter names, are filled with.
pub(super) fn wants(args: &Args) -> Result<Wants, Failure> {
    let all = ns::columns();
    let shown = column::choose(&all, columns(args), args.output.columns.as_deref())
        .map_err(Failure::usage)?;
    let filter = args.filter.as_deref().unwrap_or_default().to_ascii_lowercase();
    let words = filter.split(|c: char| !c.is_ascii_alphanumeric());
    // A name needs none of them.
    let is_shown = args.output.format() != Format::Name;
    let has = |key| {
        let shown = is_shown && shown.iter().any(|column| column.key == key);
        shown || words.clone().any(|word| word == key)
    };
    let by_kind = matches!(args.tree, Some(Relation::Owner | Relation::Parent));
    Ok(Wants {
        users: has("user") || has("uid"),
        parents: has("ppid"),
        threads: args.threads || has("threads"),
        holders: looks_for_holders(args) || has("holders"),
        sockets: args.sockets,
        relations: by_kind || has("ons") || has("pns"),
        ghosts: by_kind,
        lineage: args.tree == Some(Relation::Process),
        ids: has("nsid"),
        net_ids: has("netnsid"),
        containers: has("container"),
        ..Wants::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inode_is_spelled_as_a_number_or_as_a_link() {
        let inode = 4_026_531_840;
        assert_eq!(meant("4026531840"), Ok(Meant { inode, kind: None }));
        assert_eq!(meant("net:[4026531840]"), Ok(Meant { inode, kind: Some(Kind::Net) }));
        for bad in
            ["", "x", "-1", "+1", "net:[]", "net:[1", "ten:[1]", "1 ", "99999999999999999999"]
        {
            assert!(meant(bad).is_err(), "{bad}");
        }
    }
}
