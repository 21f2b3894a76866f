//! HTTP on the loopback interface: requests in, answers out, several at once.

use std::error::Error;
use std::sync::Arc;
use std::thread;

use tiny_http::{Header as HttpHeader, Request, Response, Server};

use crate::chain::Chain;
use crate::requests::{self, Body};

/// How many requests are answered at once.
const THREADS: usize = 4;

/// Serves until the process is stopped.
pub fn serve(chain: Arc<Chain>, port: u16) -> Result<(), Box<dyn Error>> {
    let server = Server::http(("127.0.0.1", port)).map_err(|error| {
        format!(
            "port {port} of 127.0.0.1 can not be listened to: {error}; --port 0 takes a free one"
        )
    })?;
    announce(&chain, &server);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for request in server.incoming_requests() {
                    respond(&chain, request);
                }
            });
        }
    });
    Ok(())
}

/// Tells where the node is, and what a client needs from somebody whom it trusts.
fn announce(chain: &Chain, server: &Server) {
    let address = server.server_addr();
    let headers = chain.headers(0, usize::MAX);
    let (Some(first), Some(newest)) = (headers.first(), headers.last()) else {
        return;
    };
    let point = |header: &light_chain::Header| format!("{}:{}", header.height, header.id);
    let (first, newest) = (point(first), point(newest));
    println!("listening at http://{address}");
    println!("for a client that trusts the first block and knows the newest one by consensus:");
    println!(
        "  cargo run --package light-client -- http://{address} --trusted {first} --agreed {newest}"
    );
}

fn respond(chain: &Chain, request: Request) {
    let answer = requests::answer(chain, request.method().as_str(), request.url());
    let (status, kind, bytes) = match answer {
        Ok(Body::Text(text)) => (200, "text/plain; charset=utf-8", text.into_bytes()),
        Ok(Body::Bytes(bytes)) => (200, "application/octet-stream", bytes),
        Err(error) => {
            let says = format!("{error}\n").into_bytes();
            (error.status(), "text/plain; charset=utf-8", says)
        }
    };
    let mut response = Response::from_data(bytes).with_status_code(status);
    if let Ok(header) = HttpHeader::from_bytes("Content-Type", kind) {
        response.add_header(header);
    }
    // Who hung up does not want the answer.
    let _ = request.respond(response);
}
