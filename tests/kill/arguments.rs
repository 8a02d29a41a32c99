//! What the harness is told.

pub(crate) const USAGE: &str = "\
usage: cargo test --test kill -- --primary STORE --old STORE (--mirror STORE | --tee STORE)... [--cycles N] [--seed N]
  --old    where the bucket was before: what the primary lacks is fetched there
  --tee    a mirror that is sent what clients upload while they do
  STORE    URL,BUCKET,ACCESS_KEY_ID,SECRET; the bucket is made
  --cycles how often Wharf is killed; default 200
  --seed   where the choices come from; default: the time";

/// A store and a bucket of it.
#[derive(Debug, Clone)]
pub(crate) struct StoreArgument {
    pub(crate) url: String,
    pub(crate) bucket: String,
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    /// As a mirror: whether it is sent what clients upload.
    pub(crate) is_teed: bool,
}

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) primary: StoreArgument,
    /// Where the bucket was before.
    pub(crate) old: StoreArgument,
    pub(crate) mirrors: Vec<StoreArgument>,
    pub(crate) cycles: usize,
    pub(crate) seed: u64,
}

impl Arguments {
    /// Whether somebody has started stores. Whoever runs all tests has not.
    pub(crate) fn have_stores(arguments: &[String]) -> bool {
        arguments.iter().any(|argument| argument == "--primary")
    }

    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let (mut primary, mut old) = (None, None);
        let mut mirrors = Vec::new();
        let mut cycles = 200;
        let mut seed = wharf::clock::Clock::System.now().unix_millis();
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--primary" => primary = Some(StoreArgument::parse(value)?),
                "--old" => old = Some(StoreArgument::parse(value)?),
                "--mirror" => mirrors.push(StoreArgument::parse(value)?),
                "--tee" => mirrors.push(StoreArgument { is_teed: true, ..StoreArgument::parse(value)? }),
                "--cycles" => cycles = value.parse().map_err(|error| format!("--cycles: {error}"))?,
                "--seed" => seed = value.parse().map_err(|error| format!("--seed: {error}"))?,
                unknown => return Err(format!("{unknown} is nothing it knows")),
            }
        }
        if mirrors.is_empty() {
            return Err("there is no --mirror".to_owned());
        }
        let primary = primary.ok_or("there is no --primary")?;
        Ok(Self { primary, old: old.ok_or("there is no --old")?, mirrors, cycles, seed })
    }
}

impl StoreArgument {
    fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(',').collect();
        let [url, bucket, access_key_id, secret] = parts[..] else {
            return Err(format!("`{text}` is no URL,BUCKET,ACCESS_KEY_ID,SECRET"));
        };
        let [url, bucket, access_key_id, secret] = [url, bucket, access_key_id, secret].map(str::to_owned);
        Ok(Self { url, bucket, access_key_id, secret, is_teed: false })
    }
}
