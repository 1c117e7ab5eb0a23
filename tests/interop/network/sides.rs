//! What iproute2 and nsx say of the same thing, brought to one form.

use serde_json::{Value, json};

/// Whose words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Ip,
    Nsx,
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// `NO-CARRIER` and `no_carrier`, in a fixed order.
fn words(value: &Value) -> Vec<String> {
    let word = |word: &Value| word.as_str().expect("a word").to_lowercase().replace('-', "_");
    let mut words: Vec<String> = list(value).iter().map(word).collect();
    words.sort();
    words
}

pub fn link_of_ip(link: &Value) -> Value {
    let data = &link["linkinfo"]["info_data"];
    let kind = &link["linkinfo"]["info_kind"];
    let details = match kind.as_str() {
        Some("bridge") => json!({"bridge": {
            "stp": data["stp_state"] == 1, "vlan_filtering": data["vlan_filtering"] == 1,
        }}),
        Some("vlan") => json!({"vlan": {"id": data["id"], "protocol": data["protocol"]}}),
        Some("macvlan") => json!({"macvlan": {"mode": data["mode"]}}),
        Some("ipvlan") => json!({"ipvlan": {
            "mode": data["mode"], "isolation": data["mode_flag"],
        }}),
        Some("vxlan") => json!({"vxlan": {
            "id": data["id"], "local": data["local"], "port": data["port"],
            "remote": data["remote"],
        }}),
        Some("tun") => json!({"tun": {"mode": data["type"]}}),
        Some("bond") => json!({"bond": {"mode": data["mode"]}}),
        _ => Value::Null,
    };
    let port = &link["linkinfo"]["info_slave_data"]["state"];
    json!({
        "index": link["ifindex"], "name": link["ifname"], "altnames": list(&link["altnames"]),
        "alias": link["ifalias"], "kind": kind, "flags": words(&link["flags"]),
        "state": link["operstate"].as_str().map(str::to_lowercase),
        "mtu": link["mtu"], "mac": link["address"], "qdisc": link["qdisc"],
        // ip has no word for a queue of none.
        "queue": link["txqlen"].as_u64().unwrap_or_default(), "master": link["master"], "port": port, "details": details,
        "parent": link["link"], "nsid": link["link_netnsid"],
    })
}

pub fn link_of_nsx(link: &Value) -> Value {
    // ip has a word for its kind only where a driver has one.
    let has_driver =
        !["loopback", "ether", "none"].contains(&link["kind"].as_str().expect("a word"));
    let here = link["peer"]["place"]["kind"] == "here";
    json!({
        "index": link["index"], "name": link["name"], "altnames": list(&link["altnames"]),
        "alias": link["alias"], "kind": if has_driver { link["kind"].clone() } else { Value::Null },
        "flags": words(&link["flags"]), "state": link["state"],
        "mtu": link["mtu_bytes"], "mac": link["mac"], "qdisc": link["qdisc"],
        "queue": link["transmit_queue_packets"], "master": link["master_name"],
        "port": link["bridge_port"], "details": link["details"],
        "parent": if here { link["peer"]["interface"].clone() } else { Value::Null },
        "nsid": link["peer_nsid"],
    })
}

const FLAGS: [&str; 8] = [
    "dynamic",
    "secondary",
    "temporary",
    "tentative",
    "deprecated",
    "dadfailed",
    "nodad",
    "noprefixroute",
];

pub fn addresses_of_ip(link: &Value) -> Vec<Value> {
    let address = |address: &Value| {
        let flags: Vec<&str> = FLAGS.into_iter().filter(|flag| address[flag] == true).collect();
        json!([
            link["ifname"],
            address["local"],
            address["prefixlen"],
            address["address"],
            address["broadcast"],
            address["label"],
            address["scope"],
            flags,
        ])
    };
    list(&link["addr_info"]).iter().map(address).collect()
}

pub fn addresses_of_nsx(link: &Value) -> Vec<Value> {
    let address = |address: &Value| {
        let told = list(&address["flags"]);
        let flags: Vec<&str> =
            FLAGS.into_iter().filter(|flag| told.contains(&json!(flag))).collect();
        json!([
            link["name"],
            address["address"],
            address["prefix_length"],
            address["peer"],
            address["broadcast"],
            address["label"],
            address["scope"],
            flags,
        ])
    };
    list(&link["addresses"]).iter().map(address).collect()
}

/// Numbers that only grow lie between those of before and after.
pub fn assert_counters(ours: &Value, before: &Value, after: &Value) {
    let fields = [
        ("received_bytes", "rx", "bytes"),
        ("received_packets", "rx", "packets"),
        ("received_errors", "rx", "errors"),
        ("received_dropped", "rx", "dropped"),
        ("sent_bytes", "tx", "bytes"),
        ("sent_packets", "tx", "packets"),
        ("sent_errors", "tx", "errors"),
        ("sent_dropped", "tx", "dropped"),
    ];
    for (own, way, field) in fields {
        let number = |value: &Value| value.as_u64().expect("a number");
        let told = number(&ours["counters"][own]);
        let (least, most) = (&before["stats64"][way][field], &after["stats64"][way][field]);
        assert!(
            (number(least)..=number(most)).contains(&told),
            "{} {own}: {least} <= {told} <= {most}",
            ours["name"]
        );
    }
}

/// Seconds that are left, which pass meanwhile.
pub fn assert_lifetimes(ours: &Value, theirs: &Value) {
    const FOR_EVER: u64 = u32::MAX as u64;
    for (own, told) in list(&ours["addresses"]).iter().zip(list(&theirs["addr_info"])) {
        let pairs = [
            (&own["valid_seconds"], &told["valid_life_time"]),
            (&own["preferred_seconds"], &told["preferred_life_time"]),
        ];
        for (own, told) in pairs {
            let (own, told) = (own.as_u64().unwrap_or(FOR_EVER), told.as_u64().expect("seconds"));
            assert!(own <= told && told - own <= 60, "{ours}: {own} of {told}");
        }
    }
}

pub fn route(side: Side, route: &Value) -> Value {
    let hop = |hop: &Value| {
        let (gateway, interface, encapsulation) = match side {
            Side::Ip => (gateway(hop), &hop["dev"], &hop["encap"]),
            Side::Nsx => (hop["gateway"].clone(), &hop["interface"], &hop["encapsulation"]),
        };
        json!([gateway, interface, encapsulation, hop["weight"], words(&hop["flags"])])
    };
    let hops_of = |key: &str| list(&route[key]).iter().map(hop).collect::<Vec<_>>();
    match side {
        Side::Ip => {
            let destination = route["dst"].as_str().expect("a destination");
            let single = if destination.contains(':') { "/128" } else { "/32" };
            let whole = destination == "default" || destination.contains('/');
            // nsx does not know realms, and says that there is something (RTA_FLOW).
            let hops = list(&route["nexthops"]);
            let realms = [route].into_iter().chain(&hops).any(|one| !one["flow"].is_null());
            let is_v6 = destination.contains(':')
                || route["gateway"].as_str().is_some_and(|gateway| gateway.contains(':'))
                || !route["pref"].is_null();
            json!({
                "family": if is_v6 { "inet6" } else { "inet" },
                "destination": format!("{destination}{}", if whole { "" } else { single }),
                "table": route["table"].as_str().unwrap_or("main"),
                "from": route["from"], "tos": hexadecimal(&route["tos"]),
                "gateway": gateway(route), "dev": route["dev"], "encapsulation": route["encap"],
                "preference": route["pref"], "object": route["nhid"],
                "other": if realms { json!([11]) } else { json!([]) },
                "metric": route["metric"], "kind": route["type"].as_str().unwrap_or("unicast"),
                "protocol": route["protocol"], "scope": route["scope"],
                "source": route["prefsrc"], "flags": words(&route["flags"]),
                "mtu": route["metrics"][0]["mtu"], "hops": hops_of("nexthops"),
            })
        }
        Side::Nsx => {
            let destination = match route["destination"].as_str() {
                Some(address) => format!("{address}/{}", route["prefix_length"]),
                None => "default".to_owned(),
            };
            let number = route["table"].to_string();
            json!({
                "family": route["family"], "destination": destination,
                "table": route["table_name"].as_str().unwrap_or(&number),
                "from": match &route["from"] {
                    Value::Null => Value::Null,
                    from => format!("{}/{}", from["address"].as_str().expect("an address"), from["length"]).into(),
                },
                "tos": route["type_of_service"],
                "gateway": route["gateway"], "dev": route["interface"],
                "encapsulation": route["encapsulation"],
                "preference": route["preference"], "object": route["next_hop_id"],
                "other": route["other_attributes"],
                "metric": route["metric"], "kind": route["kind"],
                "protocol": route["protocol"], "scope": route["scope"],
                "source": route["preferred_source"], "flags": words(&route["flags"]),
                "mtu": route["mtu_bytes"], "hops": hops_of("next_hops"),
            })
        }
    }
}

/// One of the other family stands elsewhere.
fn gateway(hop: &Value) -> Value {
    if hop["via"].is_null() { hop["gateway"].clone() } else { hop["via"]["host"].clone() }
}

fn hexadecimal(value: &Value) -> Value {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).map_or(Value::Null, Value::from)
}

pub fn rule_of_ip(family: &str, rule: &Value) -> Value {
    let single = if family == "inet6" { 128 } else { 32 };
    let prefix = |address: &Value, length: &Value| match address.as_str() {
        None | Some("all") => Value::Null,
        Some(address) => json!([address, length.as_u64().unwrap_or(single)]),
    };
    let span = |name: &str| {
        let one = &rule[name];
        let ends = [&rule[format!("{name}_start")], &rule[format!("{name}_end")]];
        if one.is_null() && ends[0].is_null() {
            Value::Null
        } else if one.is_null() {
            json!(ends)
        } else {
            json!([one, one])
        }
    };
    let action = match (&rule["action"], &rule["goto"]) {
        (Value::String(action), _) => action.clone(),
        (_, Value::Null) => "lookup".to_owned(),
        _ => "goto".to_owned(),
    };
    json!({
        "family": family, "priority": rule["priority"], "not": !rule["not"].is_null() || rule.get("not").is_some(),
        "from": prefix(&rule["src"], &rule["srclen"]), "to": prefix(&rule["dst"], &rule["dstlen"]),
        "iif": rule["iif"], "oif": rule["oif"], "mark": hexadecimal(&rule["fwmark"]),
        "mask": hexadecimal(&rule["fwmask"]), "tos": hexadecimal(&rule["tos"]),
        "protocol": match rule["ipproto"].as_str() { Some("tcp") => json!(6), _ => Value::Null },
        "sport": span("sport"), "dport": span("dport"), "uids": span("uid"), "action": action,
        "table": rule["table"], "goto": rule["goto"],
        "suppress": rule["suppress_prefixlen"], "tunnel": rule["tun_id"],
        "group": rule["suppress_ifgroup"],
        // nsx does not know realms, and says that there is something (FRA_FLOW).
        "other": if rule["flow_to"].is_null() { json!([]) } else { json!([11]) },
    })
}

pub fn rule_of_nsx(rule: &Value) -> Value {
    let prefix = |prefix: &Value| match prefix {
        Value::Null => Value::Null,
        prefix => json!([prefix["address"], prefix["length"]]),
    };
    let span = |span: &Value| match span {
        Value::Null => Value::Null,
        span => json!([span["first"], span["last"]]),
    };
    let mask = rule["mark_mask"].as_u64().filter(|mask| *mask != u64::from(u32::MAX));
    let number = rule["table"].as_u64().map(|table| table.to_string());
    json!({
        "family": rule["family"], "priority": rule["priority"], "not": rule["not"],
        "from": prefix(&rule["from"]), "to": prefix(&rule["to"]),
        "iif": rule["input_interface"], "oif": rule["output_interface"], "mark": rule["mark"],
        "mask": mask, "tos": rule["type_of_service"], "protocol": rule["protocol"],
        "sport": span(&rule["source_ports"]), "dport": span(&rule["destination_ports"]),
        "uids": span(&rule["uids"]), "action": rule["action"],
        "table": rule["table_name"].as_str().map(str::to_owned).or(number),
        "goto": rule["goto"], "suppress": rule["suppress_prefix_length"],
        "tunnel": rule["tunnel_id"], "group": rule["suppress_group"].as_u64().map(|it| it.to_string()),
        "other": rule["other_attributes"],
    })
}

pub fn neighbour_of_ip(neighbour: &Value) -> Value {
    json!([
        neighbour["dst"],
        neighbour["dev"],
        neighbour["lladdr"],
        words(&neighbour["state"]),
        neighbour.get("router").is_some(),
    ])
}

pub fn neighbour_of_nsx(neighbour: &Value) -> Value {
    json!([
        neighbour["address"],
        neighbour["interface"],
        neighbour["mac"],
        [neighbour["state"]],
        list(&neighbour["flags"]).contains(&json!("router")),
    ])
}
