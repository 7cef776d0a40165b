//! The steps of this layer that `script/bench components` measures.

use actix_web::{
    HttpMessage, HttpResponse,
    http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
    test::TestRequest,
};

use super::{
    agents::user::save_credential::SaveCredentialRequest,
    negotiation::{self, bench_support},
    request_measurement,
    request_metrics::{RequestMetrics, method_label},
};

/// Bodies of `SaveCredential`, by media type.
pub const BODIES: [(&str, &str); 3] = [
    (
        "application/json",
        r#"{"UserId":278,"Credential":{"Type":{"Type":"CRM5/PASSWORD"},"Value":"a new secret","DisplayValue":"x"}}"#,
    ),
    (
        "application/xml",
        "<SaveCredential><UserId>278</UserId><Credential><Type><Type>CRM5/PASSWORD</Type></Type>\
         <Value>a new secret</Value><DisplayValue>x</DisplayValue></Credential></SaveCredential>",
    ),
    (
        "application/x-www-form-urlencoded",
        "UserId=278&Credential[Type][Type]=CRM5%2FPASSWORD&Credential[Value]=a+new+secret\
         &Credential[DisplayValue]=x",
    ),
];

/// The headers of a request with a long `Accept`; `None` when the media type is invalid.
#[must_use]
pub fn headers(media_type: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(media_type).ok()?);
    let accept = format!("text/html;q=0.5, {media_type};q=0.9, */*;q=0.1");
    headers.insert(ACCEPT, HeaderValue::from_str(&accept).ok()?);
    Some(headers)
}

/// Chooses the formats of request and response.
#[must_use]
pub fn negotiate(headers: &HeaderMap) -> Option<&'static str> {
    bench_support::negotiate(headers)
}

/// Reads a body of `SaveCredential`.
#[must_use]
pub fn read_save(headers: &HeaderMap, body: &str) -> Option<()> {
    bench_support::read::<SaveCredentialRequest>(headers, body.as_bytes()).ok().map(drop)
}

/// Writes a list of strings.
#[must_use]
pub fn write_texts(headers: &HeaderMap, texts: &Vec<String>) -> u16 {
    negotiation::write(HttpResponse::Ok(), headers, texts).status().as_u16()
}

/// The metrics of requests.
#[derive(Default)]
pub struct RequestBench(RequestMetrics);

impl RequestBench {
    /// What the metrics add to a request: its route is noted, and it is counted and measured.
    pub fn measure(&self) {
        let request = TestRequest::default().to_srv_request();
        let in_flight = self.0.start(method_label(request.method()));
        request.extensions_mut().insert(in_flight.route());
        request_measurement::note_route(&request, "/api/v1/Agents/User/SaveCredential", true);
        in_flight.end(200);
    }

    /// The same without metrics.
    pub fn baseline(&self) {
        drop(TestRequest::default().to_srv_request());
    }
}
