//! OTLP as it is sent to an extension and comes out of it: one span, data point or log record in protobuf's encoding.
//!
//! Source of names and numbers: `opentelemetry/proto` v1, whose three export requests have the same shape.

use std::collections::BTreeSet;

use crate::layer::deflate;
use crate::layer::start_config::{Signal, Transport};

/// 2026-01-01, in nanoseconds since 1970.
const AT: u64 = 1_767_225_600_000_000_000;
const SERVER: u64 = 2;
const INFO: u64 = 9;
/// Beyond this nothing is unpacked that an extension sends out.
const UNPACKED: usize = 16 << 20;

/// The path of a signal in OTLP over gRPC.
pub(super) const fn grpc_path(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    }
}

/// The export request that is sent of a signal over a transport, which is in it as the name of its scope.
pub(super) fn request(signal: Signal, transport: Transport) -> Vec<u8> {
    let item = match signal {
        Signal::Traces => Message::default()
            .bytes(1, &0x5b8e_fff7_9803_8103_d269_b633_813f_c60c_u128.to_be_bytes())
            .bytes(2, &0xeee1_9b7e_c3c1_b174_u64.to_be_bytes())
            .bytes(5, b"check")
            .number(6, SERVER)
            .fixed(7, AT)
            .fixed(8, AT),
        Signal::Metrics => {
            let point = Message::default().fixed(3, AT).fixed(6, 1);
            Message::default().bytes(1, b"check").message(5, &Message::default().message(1, &point))
        }
        Signal::Logs => {
            let body = Message::default().bytes(1, b"check");
            Message::default().fixed(1, AT).number(2, INFO).message(5, &body)
        }
    };
    let value = Message::default().bytes(1, b"ocelot-check");
    let attribute = Message::default().bytes(1, b"service.name").message(2, &value);
    let resource = Message::default().message(1, &attribute);
    let scope = Message::default().bytes(1, mark(transport).as_bytes());
    let of_scope = Message::default().message(1, &scope).message(2, &item);
    let of_resource = Message::default().message(1, &resource).message(2, &of_scope);
    Message::default().message(1, &of_resource).0
}

/// The name of the scope of what is sent over a transport.
fn mark(transport: Transport) -> String {
    format!("ocelot-check-{}", transport.name())
}

/// Over which transports it had been sent, what comes out in this body. All of them, if that cannot be told: another
/// encoding, or somebody gave the scopes other names.
pub(super) fn came_over(body: &[u8], encoding: Option<&str>) -> BTreeSet<Transport> {
    let plain = match encoding {
        None | Some("identity") => Some(body.to_vec()),
        Some("gzip") => gunzip(body),
        Some(_) => None,
    };
    let is_in = |text: &[u8], mark: &str| text.windows(mark.len()).any(|part| part == mark.as_bytes());
    let of = |plain: &Vec<u8>| Transport::ALL.into_iter().filter(|one| is_in(plain, &mark(*one))).collect();
    plain.as_ref().map(of).filter(|found: &BTreeSet<_>| !found.is_empty()).unwrap_or_else(|| Transport::ALL.into())
}

/// Unpacks a gzip file of one member without a name or a comment, as Go's writer makes it (RFC 1952).
fn gunzip(packed: &[u8]) -> Option<Vec<u8>> {
    const HEAD: usize = 10;
    const TAIL: usize = 8;
    let is_simple = packed.len() >= HEAD + TAIL && packed.starts_with(&[0x1f, 0x8b, 8, 0]);
    let (_, length) = packed.split_last_chunk::<4>().filter(|_| is_simple)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= UNPACKED)?;
    deflate::inflate(&packed[HEAD..packed.len() - TAIL], length)
}

/// A message of protobuf under way.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn tag(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push((number & 0x7f) as u8);
    }

    /// A varint field.
    fn number(mut self, field: u64, number: u64) -> Self {
        self.tag(field, 0);
        self.varint(number);
        self
    }

    /// A `fixed64` or `sfixed64` field.
    fn fixed(mut self, field: u64, number: u64) -> Self {
        self.tag(field, 1);
        self.0.extend(number.to_le_bytes());
        self
    }

    /// A `bytes` or `string` field.
    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn message(self, field: u64, inner: &Self) -> Self {
        self.bytes(field, &inner.0)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::layer::deflate::Recipe;

    #[test]
    fn requests_are_encoded_as_googles_library_encodes_them() {
        // `SerializeToString` of the messages in the Python package `opentelemetry-proto`, with the same content.
        const HEAD: &str = "0a200a1e0a0c736572766963652e6e616d65120e0a0c6f63656c6f742d636865636b";
        const SCOPE: &str = "0a130a116f63656c6f742d636865636b2d67727063";
        for (signal, total, of_scope, item) in [
            (Signal::Logs, "0a4f", "122b", "1214090000faed5172861810092a070a05636865636b"),
            (Signal::Metrics, "0a58", "1234", "121d0a05636865636b2a140a12190000faed51728618310100000000000000"),
            (
                Signal::Traces,
                "0a72",
                "124e",
                "12370a105b8efff798038103d269b633813fc60c1208eee19b7ec3c1b1742a05636865636b3002390000faed517286184100\
                 00faed51728618",
            ),
        ] {
            let encoded: String = request(signal, Transport::Grpc).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(encoded, format!("{total}{HEAD}{of_scope}{SCOPE}{item}"), "{signal:?}");
        }
    }

    #[test]
    fn numbers_beyond_a_byte_are_encoded_from_their_low_end() {
        // The example of protobuf's own description of its encoding.
        assert_eq!(Message::default().number(1, 150).0, [0x08, 0x96, 0x01]);
    }

    #[test]
    fn what_comes_out_is_told_by_what_went_in() {
        let over = |body: &[u8], encoding| Vec::from_iter(came_over(body, encoding));
        let grpc = request(Signal::Traces, Transport::Grpc);
        assert_eq!(over(&grpc, None), [Transport::Grpc]);
        assert_eq!(over(&[grpc.clone(), request(Signal::Traces, Transport::Http)].concat(), None), Transport::ALL);
        assert_eq!(over(b"other", None), Transport::ALL, "renamed on the way");
        assert_eq!(over(&grpc, Some("zstd")), Transport::ALL, "not to be read here");
        let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        packed.extend(deflate::deflate(&grpc, Recipe::CURRENT, NonZeroUsize::MIN).unwrap().bytes);
        packed.extend([0; 4]);
        packed.extend((grpc.len() as u32).to_le_bytes());
        assert_eq!(over(&packed, Some("gzip")), [Transport::Grpc]);
        packed.truncate(20);
        assert_eq!(over(&packed, Some("gzip")), Transport::ALL);
    }
}
