//! Reader of FLAC streams, in the place of symphonia's.

use std::io::ErrorKind;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;
use symphonia::core::errors::{Error, Result, SeekErrorKind};
use symphonia::core::formats::well_known::FORMAT_ID_FLAC;
use symphonia::core::formats::{
    FormatInfo, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track,
};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::{Metadata, MetadataLog};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::frames::Frames;
use super::info::StreamInfo;
use crate::audio::guard::DecoderFault;
use crate::audio::media_file::MediaFile;
use crate::audio::track::make_decoder;

const FORMAT: FormatInfo = FormatInfo {
    format: FORMAT_ID_FLAC,
    short_name: "flac",
    long_name: "Free Lossless Audio Codec",
};

/// Reader of the packets of a stream, each of which is an undamaged frame. They state their
/// positions, so that damage shows as a gap between them.
pub(in crate::audio) struct FlacReader {
    info: StreamInfo,
    frames: Frames<MediaFile>,
    /// Position behind the last packet.
    position: u64,
    media_info: MediaInfo,
    tracks: [Track; 1],
    metadata: MetadataLog,
}

impl FlacReader {
    /// Reads the frames of a stream with the header `info` from `source`, which begins with the
    /// first of them.
    ///
    /// # Errors
    /// When the header cannot be right.
    pub(in crate::audio) fn new(
        source: MediaFile,
        info: StreamInfo,
    ) -> std::result::Result<Self, DecoderFault> {
        let decoder = make_decoder(&params(info))?;
        let mut track = Track::new(0);
        track.with_codec_params(CodecParameters::Audio(decoder.codec_params().clone()));
        if let Some(frames) = info.frames() {
            track.with_num_frames(frames);
        }

        Ok(Self {
            info,
            frames: Frames::new(source, info, decoder),
            position: 0,
            media_info: MediaInfo::from_track(&track),
            tracks: [track],
            metadata: MetadataLog::default(),
        })
    }
}

/// Returns the parameters of the codec for a stream with the header `info`.
pub(in crate::audio) fn params(info: StreamInfo) -> AudioCodecParameters {
    let mut params = AudioCodecParameters::new();
    params
        .for_codec(CODEC_ID_FLAC)
        .with_extra_data(info.0.into());
    params
}

impl FormatReader for FlacReader {
    fn format_info(&self) -> &FormatInfo {
        &FORMAT
    }

    fn media_info(&self) -> &MediaInfo {
        &self.media_info
    }

    fn metadata(&mut self) -> Metadata<'_> {
        self.metadata.metadata()
    }

    fn seek(&mut self, _: SeekMode, _: SeekTo) -> Result<SeekedTo> {
        Err(Error::SeekError(SeekErrorKind::Unseekable))
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn next_packet(&mut self) -> Result<Option<Packet>> {
        let Some(found) = self.frames.next()? else {
            let is_short = match self.info.frames() {
                Some(frames) => self.position < frames,
                None => self.frames.is_cut(),
            };
            return if is_short {
                Err(Error::IoError(ErrorKind::UnexpectedEof.into()))
            } else {
                Ok(None)
            };
        };

        let (start, samples) = (self.info.start(&found.frame), found.frame.samples.into());
        self.position = start.saturating_add(samples);
        let start = Timestamp::new(i64::try_from(start).unwrap_or(i64::MAX));
        let duration = Duration::new(samples);
        Ok(Some(Packet::new(0, start, duration, found.data)))
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        let source = Box::new(self.frames.into_source());
        MediaSourceStream::new(source, MediaSourceStreamOptions::default())
    }
}
