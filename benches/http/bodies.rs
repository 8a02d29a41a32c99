//! What is sent to the signed-url route, by this bench and by `route`.

/// The body that the published SDK sends, credentials and all.
pub(crate) const BROUGHT: &str = concat!(
    r#"{"filename":"my photo (1).jpg","contentType":"image/jpeg","fileSize":11,"#,
    r#""s3AccessKey":"AKIAIOSFODNN7EXAMPLE","s3SecretKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY","#,
    r#""s3Bucket":"my-bucket","s3Region":"us-east-1","s3EncryptionType":"SSE-S3","expiresIn":3600,"#,
    r#""magicBytes":[255,216,255,224,0,16,74,70]}"#
);

/// The same upload where the config holds the credentials.
pub(crate) const CONFIGURED: &str =
    r#"{"filename":"my photo (1).jpg","contentType":"image/jpeg","fileSize":11,"expiresIn":3600}"#;
