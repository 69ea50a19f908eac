//! How messages are read from the wire.

use std::marker::PhantomData;

use bytes::{Buf, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// Most messages are a few hundred bytes. The default of 8 KiB for each request and each response would be most of the
/// memory that a call touches. Larger messages let the buffers grow.
fn buffers() -> BufferSettings {
    BufferSettings::new(1024, 32 * 1024)
}

/// Reads each message from an allocation of its own.
///
/// The payloads of a message share the memory it was read from. That would be the receive buffer of the connection,
/// tens of kilobytes, which a single payload that stays in a history would keep alive. Copying the message once costs
/// far less than that.
#[derive(Debug)]
pub struct CompactCodec<T, U> {
    messages: PhantomData<(T, U)>,
}

impl<T, U> Default for CompactCodec<T, U> {
    fn default() -> Self {
        Self {
            messages: PhantomData,
        }
    }
}

impl<T, U> Codec for CompactCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = CompactDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(buffers())
    }

    fn decoder(&mut self) -> Self::Decoder {
        CompactDecoder {
            message: PhantomData,
        }
    }
}

/// The reading half of [`CompactCodec`].
#[derive(Debug)]
pub struct CompactDecoder<U> {
    message: PhantomData<U>,
}

impl<U: Message + Default> Decoder for CompactDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let size = buffer.remaining();
        let body = if buffer.chunk().len() == size {
            let body = Bytes::copy_from_slice(buffer.chunk());
            buffer.advance(size);
            body
        } else {
            let mut body = vec![0; size];
            buffer.copy_to_slice(&mut body);
            Bytes::from(body)
        };
        // The status is the one that the codec of prost gives.
        U::decode(body)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}
