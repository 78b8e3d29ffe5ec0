//! A way from clients to a server that can be cut: it refuses, it falls silent, or its connections are reset.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_linger;

/// A SIGSTOPped server takes no more connections once its queue is full.
const CONNECT: Duration = Duration::from_secs(1);
/// Between two tries to listen again, where another process was given the port meanwhile.
const AGAIN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
const CHUNK: usize = 64 * 1024;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What is sent arrives.
    Open,
    /// Nobody listens, and what was open is reset.
    Refused,
    /// They are made and stay, and nothing arrives.
    Stalled,
}

#[derive(Debug)]
struct Order {
    way: Way,
    resets: bool,
    ended: bool,
}

/// A proxy of one server, on a port of its own.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    order: Arc<Mutex<Order>>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Gate {
    /// Opens a way to what listens, or will, on that port of 127.0.0.1.
    pub fn open(target: u16) -> Result<Self, String> {
        let describe = |error: std::io::Error| format!("a proxy: {error}");
        let listener = listen(0).map_err(describe)?;
        let port = listener.local_addr().map_err(describe)?.port();
        let (wake, woken) = UnixStream::pair().map_err(describe)?;
        woken.set_nonblocking(true).map_err(describe)?;
        let order = Arc::new(Mutex::new(Order {
            way: Way::Open,
            resets: false,
            ended: false,
        }));
        let passage = Passage {
            port,
            target: SocketAddr::from((Ipv4Addr::LOCALHOST, target)),
            order: order.clone(),
            woken,
            listener: Some(listener),
            links: Vec::new(),
        };
        Ok(Self {
            port,
            order,
            wake,
            thread: Some(thread::spawn(move || passage.run())),
        })
    }

    /// Where clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on.
    pub fn set(&self, way: Way) {
        self.tell(|order| order.way = way);
    }

    /// Resets what is open.
    pub fn reset(&self) {
        self.tell(|order| order.resets = true);
    }

    fn tell(&self, change: impl FnOnce(&mut Order)) {
        change(&mut self.order.lock().unwrap_or_else(PoisonError::into_inner));
        // Full or gone: it is awake, or has ended.
        let _ = (&self.wake).write(&[0]);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.tell(|order| order.ended = true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// What the gate's thread holds.
struct Passage {
    port: u16,
    target: SocketAddr,
    order: Arc<Mutex<Order>>,
    woken: UnixStream,
    listener: Option<TcpListener>,
    links: Vec<Link>,
}

impl Passage {
    fn run(mut self) {
        loop {
            let (way, resets) = {
                let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
                if order.ended {
                    return;
                }
                (order.way, std::mem::take(&mut order.resets))
            };
            if resets || way == Way::Refused {
                self.links.drain(..).for_each(Link::reset);
            }
            match way {
                Way::Refused => self.listener = None,
                _ if self.listener.is_none() => self.listener = listen(self.port).ok(),
                _ => {}
            }
            let ready = self.wait(way);
            while matches!((&self.woken).read(&mut [0; 64]), Ok(1..)) {}
            if way == Way::Open {
                let mut places = 0..;
                self.links
                    .retain_mut(|link| match places.next().map(|n| ready.contains(&n)) {
                        Some(true) => link.carry().is_ok(),
                        _ => true,
                    });
            }
            self.accept();
        }
    }

    /// Waits until something can be done; the places of the links that can do something.
    fn wait(&self, way: Way) -> Vec<usize> {
        let mut fds = vec![PollFd::new(&self.woken, PollFlags::IN)];
        let mut places = vec![None];
        if let Some(listener) = &self.listener {
            fds.push(PollFd::new(listener, PollFlags::IN));
            places.push(None);
        }
        if way == Way::Open {
            for (place, link) in self.links.iter().enumerate() {
                for (end, flags) in link.interests() {
                    fds.push(PollFd::new(end, flags));
                    places.push(Some(place));
                }
            }
        }
        let patience = match (way, &self.listener) {
            (Way::Refused, _) | (_, Some(_)) => None,
            _ => Some(&AGAIN),
        };
        // Interrupted, it is asked again.
        let _ = poll(&mut fds, patience);
        let ready = fds
            .iter()
            .zip(&places)
            .filter(|(fd, _)| !fd.revents().is_empty());
        ready.filter_map(|(_, place)| *place).collect()
    }

    fn accept(&mut self) {
        while let Some(Ok((client, _))) = self.listener.as_ref().map(TcpListener::accept) {
            let link = TcpStream::connect_timeout(&self.target, CONNECT)
                .and_then(|server| Link::between(client, server));
            // Without a server the client's end closes.
            self.links.extend(link);
        }
    }
}

/// A client's connection and the one to the server, and what was read of either and not yet written to the other.
struct Link {
    ends: [TcpStream; 2],
    carried: [Vec<u8>; 2],
}

impl Link {
    fn between(client: TcpStream, server: TcpStream) -> std::io::Result<Self> {
        for end in [&client, &server] {
            end.set_nonblocking(true)?;
            end.set_nodelay(true)?;
        }
        Ok(Self {
            ends: [client, server],
            carried: [Vec::new(), Vec::new()],
        })
    }

    /// Either end, with what it is waited for: an end without any is left out, or its hanging up would wake for nothing.
    fn interests(&self) -> impl Iterator<Item = (&TcpStream, PollFlags)> {
        [0, 1].into_iter().filter_map(|n| {
            let mut flags = PollFlags::empty();
            if self.carried[n].is_empty() {
                flags |= PollFlags::IN;
            }
            if !self.carried[1 - n].is_empty() {
                flags |= PollFlags::OUT;
            }
            (!flags.is_empty()).then_some((&self.ends[n], flags))
        })
    }

    /// Carries what can be, both ways; an error when either end is gone, and all that it said has been carried.
    fn carry(&mut self) -> std::io::Result<()> {
        for n in [0, 1] {
            if self.carried[n].is_empty() {
                let mut chunk = vec![0; CHUNK];
                match self.ends[n].read(&mut chunk) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(length) => {
                        chunk.truncate(length);
                        self.carried[n] = chunk;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            if !self.carried[n].is_empty() {
                match self.ends[1 - n].write(&self.carried[n]) {
                    Ok(length) => drop(self.carried[n].drain(..length)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Both ends are told by RST, and not by an orderly end.
    fn reset(self) {
        for end in &self.ends {
            let _ = set_socket_linger(end, Some(Duration::ZERO));
        }
    }
}
