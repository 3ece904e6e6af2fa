use kube::CustomResourceExt;
#[test]
fn dump() { println!("{}", serde_saphyr::to_string(&ballast::api::ScalePolicy::crd()).unwrap()); }
