//! A stand-in for what an extension talks to on Lambda: the Extensions API and the Telemetry API, and for the far end of
//! an OTLP exporter. [`protocol`] decides, without a socket; [`emulator`] is the sockets; `aws` is what its configuration
//! reads from AWS; `function` plays the function beside the extension, and sends it `otlp` over HTTP and `grpc`.
//!
//! Source of the interfaces: the pages "Lambda Extensions API" and "Lambda Telemetry API" of AWS's developer guide.

mod aws;
pub mod emulator;
mod function;
mod grpc;
mod otlp;
pub mod protocol;
