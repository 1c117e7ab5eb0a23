pub(crate) fn run() -> anyhow::Result<()> {
    anyhow::bail!("x")
}
