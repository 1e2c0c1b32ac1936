"""Speech engines that implement the contract of `tts.synthesizer`."""
