//! The cases.

use super::Expected::{Answered, Ended, Ignored, Reset};
use super::{Case, PROTOCOL, case};
use crate::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY, PUSH_PROMISE,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, WITH_PRIORITY, field, frame, request, setting,
};

const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const COMPRESSION: u32 = 9;
const WHOLE: u8 = END_HEADERS | END_STREAM;

fn block(port: u16, more: &[(&str, &str)]) -> Vec<u8> {
    request("GET", "/-/live", port, more)
}

fn headers(port: u16, flags: u8, stream: u32) -> Vec<u8> {
    frame(HEADERS, flags, stream, &block(port, &[]))
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

fn priority(stream: u32, on: u32) -> Vec<u8> {
    frame(PRIORITY, 0, stream, &[&on.to_be_bytes()[..], &[15]].concat())
}

fn update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

fn one(identifier: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &setting(identifier, value))
}

fn taken(port: u16) -> Vec<Case> {
    let (get, mut first) = (block(port, &[]), block(port, &[("x", "y")]));
    let second = first.split_off(20);
    let whole = |stream| headers(port, WHOLE, stream);
    let padded = [&[4][..], &get, &[0; 4]].concat();
    let weighted = [&[0, 0, 0, 0, 16][..], &get].concat();
    let resized = [&[0x20][..], &get].concat();
    let pieces = [
        frame(HEADERS, END_STREAM, 1, &first),
        frame(CONTINUATION, 0, 1, &[]),
        frame(CONTINUATION, END_HEADERS, 1, &second),
    ];
    vec![
        case("Sends a GET request", [whole(1)], Answered(1)),
        case("Sends a HEADERS frame with padding", [frame(HEADERS, WHOLE | PADDED, 1, &padded)], Answered(1)),
        case(
            "Sends a HEADERS frame with priority",
            [frame(HEADERS, WHOLE | WITH_PRIORITY, 1, &weighted)],
            Answered(1),
        ),
        case("Sends a PRIORITY frame on idle stream", [priority(3, 0), whole(1)], Answered(1)),
        case("Sends a PRIORITY frame on closed stream", [whole(1), priority(1, 0), whole(3)], Answered(3)),
        case("Sends multiple CONTINUATION frames preceded by a HEADERS frame", pieces, Answered(1)),
        case("Sends a frame with unknown type", [frame(0x16, 0, 0, b"????"), whole(1)], Answered(1)),
        case("Sends a frame with undefined flag", [frame(PING, 0x16, 0, b"12345678"), whole(1)], Answered(1)),
        case("Sends a SETTINGS frame with unknown identifier", [one(0xff, 1), whole(1)], Answered(1)),
        case("Sends a PING frame with ACK", [frame(PING, ACK, 0, b"unasked."), whole(1)], Answered(1)),
        case("Sends a dynamic table size update", [frame(HEADERS, WHOLE, 1, &resized)], Answered(1)),
        case("Sends a GOAWAY frame", [whole(1), frame(GOAWAY, 0, 0, &[0; 8])], Ignored),
        case(
            "Sends a RST_STREAM frame with unknown error code",
            [whole(1), frame(RST_STREAM, 0, 1, &[0, 0, 0, 0xff])],
            Ignored,
        ),
    ]
}

fn torn(port: u16) -> Vec<Case> {
    let mut first = block(port, &[("x", "y")]);
    let second = first.split_off(20);
    let begun = || frame(HEADERS, END_STREAM, 1, &first);
    let rest = |stream| frame(CONTINUATION, END_HEADERS, stream, &second);
    let large = block(port, &[("x", &"y".repeat(16_500))]);
    let get = block(port, &[]);
    vec![
        case(
            "Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE",
            [frame(HEADERS, WHOLE, 1, &large)],
            Ended(&[FRAME_SIZE]),
        ),
        case(
            "Sends a PRIORITY frame while sending the header blocks",
            [begun(), priority(1, 0)],
            Ended(&[PROTOCOL]),
        ),
        case(
            "Sends a HEADERS frame to another stream while sending the header blocks",
            [begun(), headers(port, WHOLE, 3)],
            Ended(&[PROTOCOL]),
        ),
        case(
            "Sends an unknown extension frame in the middle of a header block",
            [begun(), frame(0x16, 0, 1, b"?"), rest(1)],
            Ended(&[PROTOCOL]),
        ),
        case(
            "Sends a CONTINUATION frame followed by any frame other than CONTINUATION",
            [begun(), frame(CONTINUATION, 0, 1, &[]), frame(DATA, 0, 1, b"x")],
            Ended(&[PROTOCOL]),
        ),
        case("Sends a CONTINUATION frame with 0x0 stream identifier", [begun(), rest(0)], Ended(&[PROTOCOL])),
        case(
            "Sends a CONTINUATION frame preceded by a HEADERS frame with END_HEADERS flag",
            [headers(port, END_HEADERS, 1), rest(1)],
            Ended(&[PROTOCOL]),
        ),
        case(
            "idle: Sends a CONTINUATION frame",
            [frame(CONTINUATION, END_HEADERS, 1, &get)],
            Ended(&[PROTOCOL]),
        ),
    ]
}

fn streams(port: u16) -> Vec<Case> {
    let (whole, open) = (|stream| headers(port, WHOLE, stream), || headers(port, END_HEADERS, 1));
    let data = |stream| frame(DATA, END_STREAM, stream, b"x");
    let on_itself = [&[0, 0, 0, 1, 16][..], &block(port, &[])].concat();
    let closed: &[u32] = &[STREAM_CLOSED];
    vec![
        case("Sends even-numbered stream identifier", [whole(2)], Ended(&[PROTOCOL])),
        case(
            "Sends stream identifier that is numerically smaller than previous",
            [whole(5), whole(3)],
            Ended(&[PROTOCOL, STREAM_CLOSED]),
        ),
        case("idle: Sends a DATA frame", [data(1)], Ended(&[PROTOCOL])),
        case("idle: Sends a RST_STREAM frame", [reset(1)], Ended(&[PROTOCOL])),
        case("idle: Sends a WINDOW_UPDATE frame", [update(1, 100)], Ended(&[PROTOCOL])),
        case("half closed (remote): Sends a DATA frame", [whole(1), data(1)], Reset(closed)),
        case("half closed (remote): Sends a HEADERS frame", [whole(1), whole(1)], Reset(closed)),
        case(
            "closed: Sends a DATA frame after sending RST_STREAM frame",
            [open(), reset(1), data(1)],
            Reset(closed),
        ),
        case(
            "closed: Sends a HEADERS frame after sending RST_STREAM frame",
            [open(), reset(1), whole(1)],
            Reset(closed),
        ),
        case(
            "closed: Sends a CONTINUATION frame after sending RST_STREAM frame",
            [open(), reset(1), frame(CONTINUATION, END_HEADERS, 1, &block(port, &[]))],
            Ended(&[PROTOCOL, STREAM_CLOSED]),
        ),
        case(
            "Sends HEADERS frame that depends on itself",
            [frame(HEADERS, WHOLE | WITH_PRIORITY, 1, &on_itself)],
            Reset(&[PROTOCOL]),
        ),
        case("Sends a DATA frame with 0x0 stream identifier", [data(0)], Ended(&[PROTOCOL])),
        case(
            "Sends a DATA frame with invalid pad length",
            [open(), frame(DATA, END_STREAM | PADDED, 1, &[6, b'x'])],
            Ended(&[PROTOCOL]),
        ),
        case("Sends a HEADERS frame with 0x0 stream identifier", [whole(0)], Ended(&[PROTOCOL])),
        case(
            "Sends a HEADERS frame with invalid pad length",
            [frame(HEADERS, WHOLE | PADDED, 1, &[200, 0, 0])],
            Ended(&[PROTOCOL]),
        ),
        case("Sends a RST_STREAM frame with 0x0 stream identifier", [reset(0)], Ended(&[PROTOCOL])),
        case(
            "Sends a RST_STREAM frame with a length other than 4 octets",
            [open(), frame(RST_STREAM, 0, 1, &[0; 3])],
            Ended(&[FRAME_SIZE]),
        ),
        case("Sends a PRIORITY frame with 0x0 stream identifier", [priority(0, 1)], Ended(&[PROTOCOL])),
        case(
            "Sends a PRIORITY frame with a length other than 5 octets",
            [open(), frame(PRIORITY, 0, 1, &[0; 4])],
            Reset(&[FRAME_SIZE]),
        ),
        case(
            "Sends a PUSH_PROMISE frame",
            [open(), frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82])],
            Ended(&[PROTOCOL]),
        ),
    ]
}

fn control(port: u16) -> Vec<Case> {
    let open = || headers(port, END_HEADERS, 1);
    let (largest, beyond) = ((1 << 31) - 1, 1 << 31);
    vec![
        case(
            "Sends a SETTINGS frame with ACK flag and payload",
            [frame(SETTINGS, ACK, 0, &setting(1, 1))],
            Ended(&[FRAME_SIZE]),
        ),
        case(
            "Sends a SETTINGS frame with a stream identifier other than 0x0",
            [frame(SETTINGS, 0, 1, &setting(1, 1))],
            Ended(&[PROTOCOL]),
        ),
        case(
            "Sends a SETTINGS frame with a length other than a multiple of 6 octets",
            [frame(SETTINGS, 0, 0, &[0; 3])],
            Ended(&[FRAME_SIZE]),
        ),
        case(
            "SETTINGS_ENABLE_PUSH (0x2): Sends the value other than 0 or 1",
            [one(2, 2)],
            Ended(&[PROTOCOL]),
        ),
        case(
            "SETTINGS_INITIAL_WINDOW_SIZE (0x4): Sends the value above the maximum flow control window size",
            [one(4, beyond)],
            Ended(&[FLOW_CONTROL]),
        ),
        case(
            "SETTINGS_MAX_FRAME_SIZE (0x5): Sends the value below the initial value",
            [one(5, 16_383)],
            Ended(&[PROTOCOL]),
        ),
        case(
            "SETTINGS_MAX_FRAME_SIZE (0x5): Sends the value above the maximum allowed frame size",
            [one(5, 1 << 24)],
            Ended(&[PROTOCOL]),
        ),
        case(
            "Sends a PING frame with a stream identifier field value other than 0x0",
            [frame(PING, 0, 1, &[0; 8])],
            Ended(&[PROTOCOL]),
        ),
        case(
            "Sends a PING frame with a length field value other than 8",
            [frame(PING, 0, 0, &[0; 6])],
            Ended(&[FRAME_SIZE]),
        ),
        case(
            "Sends a GOAWAY frame with a stream identifier other than 0x0",
            [frame(GOAWAY, 0, 1, &[0; 8])],
            Ended(&[PROTOCOL]),
        ),
        case(
            "Sends a WINDOW_UPDATE frame with a flow control window increment of 0",
            [update(0, 0)],
            Ended(&[PROTOCOL]),
        ),
        case(
            "Sends a WINDOW_UPDATE frame with a flow control window increment of 0 on a stream",
            [open(), update(1, 0)],
            Reset(&[PROTOCOL]),
        ),
        case(
            "Sends a WINDOW_UPDATE frame with a length other than 4 octets",
            [frame(WINDOW_UPDATE, 0, 0, &[0; 3])],
            Ended(&[FRAME_SIZE]),
        ),
        case(
            "Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1",
            [update(0, largest), update(0, largest)],
            Ended(&[FLOW_CONTROL]),
        ),
        case(
            "Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream",
            [open(), update(1, largest), update(1, largest)],
            Reset(&[FLOW_CONTROL]),
        ),
    ]
}

fn blocks(port: u16) -> Vec<Case> {
    let sent = |block: &[u8]| [frame(HEADERS, WHOLE, 1, block)];
    let with = |name, value| sent(&block(port, &[(name, value)]));
    let protocol: &[u32] = &[PROTOCOL];
    let compression: &[u32] = &[COMPRESSION, PROTOCOL];
    let late = [field("x", "y"), block(port, &[])].concat();
    let resized = [&[0x3f, 0xff, 0x7f][..], &block(port, &[])].concat();
    vec![
        case(
            "Sends a HEADERS frame that contains a unknown pseudo-header field",
            with(":test", "ok"),
            Reset(protocol),
        ),
        case(
            "Sends a HEADERS frame that contains the pseudo-header field defined for response",
            with(":status", "200"),
            Reset(protocol),
        ),
        case(
            "Sends a HEADERS frame that contains a pseudo-header field that appears in a header block after a regular header field",
            sent(&late),
            Reset(protocol),
        ),
        case(
            "Sends a HEADERS frame that contains the connection-specific header field",
            with("connection", "keep-alive"),
            Reset(protocol),
        ),
        case(
            "Sends a HEADERS frame that contains the header field name in uppercase letters",
            with("X-TEST", "ok"),
            Reset(protocol),
        ),
        case(
            "Sends a indexed header field representation with invalid index",
            sent(&[0xff, 0x80, 0x7f]),
            Ended(compression),
        ),
        case("Sends a indexed header field representation with index 0", sent(&[0x80]), Ended(compression)),
        case(
            "Sends a literal header field representation with invalid index",
            sent(&[0x7f, 0x50, 1, b'x']),
            Ended(compression),
        ),
        case(
            "Sends a dynamic table size update larger than the value of SETTINGS_HEADER_TABLE_SIZE",
            sent(&resized),
            Ended(compression),
        ),
        case(
            "Sends a Huffman-encoded string literal representation containing the EOS symbol",
            sent(&[0, 0x84, 0xff, 0xff, 0xff, 0xff, 1, b'x']),
            Ended(compression),
        ),
        case("Sends invalid header block fragment", sent(&[0x40]), Ended(compression)),
    ]
}

pub(super) fn cases(port: u16) -> Vec<Case> {
    [taken(port), torn(port), streams(port), control(port), blocks(port)].into_iter().flatten().collect()
}
