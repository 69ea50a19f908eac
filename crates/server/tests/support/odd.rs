//! Messages of every type, made from their descriptors: plausible ones, and those with one field that is odd.

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, MethodDescriptor,
    ReflectMessage, Value,
};

use super::new_id;

/// How deep messages are filled and changed.
const DEPTH: usize = 3;

/// Fills messages, and changes one field of them at a time.
pub(crate) struct Filler {
    /// The name of the namespace that requests are about.
    pub(crate) namespace: String,
    /// A token of a task in it.
    pub(crate) token: Vec<u8>,
    /// A token of a task in another namespace.
    pub(crate) foreign_token: Vec<u8>,
}

impl Filler {
    /// The empty request, a plausible one, and that one with each field in turn absent or odd.
    pub(crate) fn odd_requests(&self, method: &MethodDescriptor) -> Vec<(String, DynamicMessage)> {
        let descriptor = method.input();
        let plausible = self.plausible(&descriptor);
        let mut all = vec![
            ("empty".to_owned(), DynamicMessage::new(descriptor)),
            ("plausible".to_owned(), plausible.clone()),
        ];
        self.vary(&plausible, "", &mut |what, changed| {
            all.push((what, changed))
        });
        all
    }

    /// The message with each field in turn absent or odd, nested ones too.
    pub(crate) fn odd_messages(&self, message: &DynamicMessage) -> Vec<(String, DynamicMessage)> {
        let mut all = Vec::new();
        self.vary(message, "", &mut |what, changed| all.push((what, changed)));
        all
    }

    /// With all fields set, as far as they can be at the same time.
    pub(crate) fn plausible(&self, descriptor: &MessageDescriptor) -> DynamicMessage {
        self.filled(descriptor, DEPTH)
    }

    fn filled(&self, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.full_name() {
            "google.protobuf.Duration" | "google.protobuf.Timestamp" => {
                message.set_field_by_name("seconds", Value::I64(7200));
                return message;
            }
            _ => {}
        }
        for field in descriptor.fields() {
            if let Some(value) = self.plausible_value(&field, depth) {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn plausible_value(&self, field: &FieldDescriptor, depth: usize) -> Option<Value> {
        let one = match field.kind() {
            Kind::Message(_) if depth == 0 => return None,
            Kind::Message(_) if field.is_map() => return Some(Value::Map([].into())),
            Kind::Message(inner) => Value::Message(self.filled(&inner, depth - 1)),
            Kind::Enum(_) => Value::EnumNumber(1),
            Kind::Bool => Value::Bool(false),
            Kind::Bytes if field.name() == "task_token" => Value::Bytes(self.token.clone().into()),
            Kind::Bytes => Value::Bytes(Vec::new().into()),
            Kind::Double => Value::F64(1.0),
            Kind::Float => Value::F32(1.0),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(0),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(0),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(0),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(0),
            Kind::String => Value::String(match field.name() {
                "namespace" => self.namespace.clone(),
                "cron_schedule" | "namespace_id" | "id" | "query" => String::new(),
                name if name.ends_with("run_id") => new_id(),
                name => format!("some-{name}"),
            }),
        };
        Some(if field.is_list() {
            Value::List(vec![one])
        } else {
            one
        })
    }

    fn vary(
        &self,
        message: &DynamicMessage,
        path: &str,
        found: &mut dyn FnMut(String, DynamicMessage),
    ) {
        for field in message.descriptor().fields() {
            let path = format!("{path}.{}", field.name());
            if message.has_field(&field) {
                let mut changed = message.clone();
                changed.clear_field(&field);
                found(format!("{path} absent"), changed);
            }
            for (what, value) in self.odd_values(&field) {
                let mut changed = message.clone();
                changed.set_field(&field, value);
                found(format!("{path} {what}"), changed);
            }
            // Of fields that exclude each other only one is set.
            let value = match message.has_field(&field) {
                true => message.get_field(&field).into_owned(),
                false if field.containing_oneof().is_some() => {
                    match self.plausible_value(&field, 1) {
                        Some(value) => value,
                        None => continue,
                    }
                }
                false => continue,
            };
            let (inner, is_list) = match value {
                Value::Message(inner) => (inner, false),
                Value::List(list) => match list.into_iter().next() {
                    Some(Value::Message(inner)) => (inner, true),
                    _ => continue,
                },
                _ => continue,
            };
            self.vary(&inner, &path, &mut |what, inner| {
                let inner = Value::Message(inner);
                let value = match is_list {
                    true => Value::List(vec![inner]),
                    false => inner,
                };
                let mut changed = message.clone();
                changed.set_field(&field, value);
                found(what, changed);
            });
        }
    }

    fn odd_values(&self, field: &FieldDescriptor) -> Vec<(&'static str, Value)> {
        if field.is_map() {
            return odd_maps(field);
        }
        let mut odd = self.odd_single_values(field);
        if field.is_list() {
            let many = odd.first().map(|(_, value)| vec![value.clone(); 3000]);
            odd = odd
                .into_iter()
                .map(|(what, value)| (what, Value::List(vec![value])))
                .collect();
            odd.extend(many.map(|many| ("many", Value::List(many))));
        }
        odd
    }

    fn odd_single_values(&self, field: &FieldDescriptor) -> Vec<(&'static str, Value)> {
        let text = |text: &str| Value::String(text.to_owned());
        match field.kind() {
            Kind::String => vec![
                ("empty", text("")),
                ("too long", text(&"x".repeat(1001))),
                (
                    "of odd characters",
                    text("\0\u{feff}/_sys/'\"`\\%{}\u{10ffff}"),
                ),
                ("another namespace", text("other")),
            ],
            Kind::Bytes => vec![
                ("garbage", Value::Bytes(vec![0xff; 40].into())),
                (
                    "of another namespace",
                    Value::Bytes(self.foreign_token.clone().into()),
                ),
                ("long", Value::Bytes(vec![b'x'; 100_000].into())),
            ],
            Kind::Enum(_) => vec![
                ("outside the enum", Value::EnumNumber(9999)),
                ("negative", Value::EnumNumber(-1)),
                ("unspecified", Value::EnumNumber(0)),
                ("two", Value::EnumNumber(2)),
            ],
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                vec![
                    ("least", Value::I32(i32::MIN)),
                    ("greatest", Value::I32(i32::MAX)),
                ]
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                vec![
                    ("least", Value::I64(i64::MIN)),
                    ("greatest", Value::I64(i64::MAX)),
                ]
            }
            Kind::Uint32 | Kind::Fixed32 => vec![("greatest", Value::U32(u32::MAX))],
            Kind::Uint64 | Kind::Fixed64 => vec![("greatest", Value::U64(u64::MAX))],
            Kind::Double => [f64::NAN, f64::INFINITY, -1.0]
                .map(|number| ("odd", Value::F64(number)))
                .to_vec(),
            Kind::Float => [f32::NAN, f32::INFINITY, -1.0]
                .map(|number| ("odd", Value::F32(number)))
                .to_vec(),
            Kind::Bool => vec![("true", Value::Bool(true))],
            Kind::Message(inner) => odd_nested(&inner),
        }
    }
}

fn odd_nested(descriptor: &MessageDescriptor) -> Vec<(&'static str, Value)> {
    let time = |seconds: i64, nanos: i32| {
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field_by_name("seconds", Value::I64(seconds));
        message.set_field_by_name("nanos", Value::I32(nanos));
        Value::Message(message)
    };
    match descriptor.full_name() {
        "google.protobuf.Duration" | "google.protobuf.Timestamp" => vec![
            ("negative", time(-1, 0)),
            ("of negative nanos", time(0, -1)),
            ("overflowing", time(i64::MAX, i32::MAX)),
            ("long", time(i64::MAX / 1_000_000_000, 0)),
            ("of opposite signs", time(1, -1)),
            ("of too many nanos", time(0, 1_000_000_000)),
            ("after the year 9999", time(253_402_300_800, 0)),
            ("underflowing", time(i64::MIN, i32::MIN)),
        ],
        _ => vec![(
            "empty",
            Value::Message(DynamicMessage::new(descriptor.clone())),
        )],
    }
}

fn odd_maps(field: &FieldDescriptor) -> Vec<(&'static str, Value)> {
    let Kind::Message(entry) = field.kind() else {
        return Vec::new();
    };
    let value = |kind: Kind| match kind {
        Kind::Message(inner) => Value::Message(DynamicMessage::new(inner)),
        Kind::Enum(_) => Value::EnumNumber(9999),
        Kind::Bytes => Value::Bytes(vec![0xff].into()),
        Kind::String => Value::String("x".repeat(5000)),
        other => Value::default_value(&other),
    };
    let key = |text: &str| MapKey::String(text.to_owned());
    let with = |keys: &[String]| {
        let entries = keys
            .iter()
            .map(|text| (key(text), value(entry.map_entry_value_field().kind())));
        Value::Map(entries.collect())
    };
    vec![
        ("with an empty key", with(&[String::new()])),
        ("with a long key", with(&["x".repeat(1001)])),
        ("with an odd key", with(&["WorkflowId".to_owned()])),
        (
            "with many keys",
            with(&(0..200).map(|key| format!("key{key}")).collect::<Vec<_>>()),
        ),
    ]
}
