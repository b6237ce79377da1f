//! The city's departments and its districts' approval bureaus: real names as of 2017, made-up codes.
//!
//! Codes are valid by GB 32100 and lie in divisions that begin with 9901, which GB/T 2260 does not assign; the last two
//! digits of a district's are those of its real division.

use certmesh_ledger::id::{DepartmentCode, IdError};

use crate::departments::organisation_code;

/// Organisation codes of the data set's departments follow this number; no other made-up department has one of them.
const FIRST_ORGANISATION: u64 = 97_000_001;

/// A department of the city: name, and what its matters and certificates are about.
type City = (&'static str, [&'static str; 4]);

/// The departments of the city.
pub(super) const CITY: [City; 36] = [
    (
        "发展和改革委员会",
        ["固定资产投资项目", "节能评估", "价格认定", "粮食收购"],
    ),
    (
        "经济和信息化委员会",
        ["技术改造项目", "无线电台", "民用爆炸物品", "软件产品"],
    ),
    ("教育局", ["民办学校", "教师岗位", "学籍", "校车使用"]),
    (
        "科学技术局",
        ["高新技术企业", "技术合同", "实验动物", "科技成果"],
    ),
    (
        "民族宗教事务委员会",
        ["宗教活动场所", "清真食品", "民族成分", "宗教教职人员"],
    ),
    (
        "公安局",
        ["大型群众性活动", "特种行业", "剧毒化学品", "道路交通"],
    ),
    ("民政局", ["社会组织", "养老机构", "殡葬服务", "地名命名"]),
    ("司法局", ["律师事务所", "公证", "司法鉴定", "基层法律服务"]),
    (
        "财政局",
        ["会计代理记账", "政府采购", "非税票据", "国有资产处置"],
    ),
    (
        "人力资源和社会保障局",
        ["职业培训", "劳动用工", "社会保险", "人力资源服务"],
    ),
    (
        "国土资源和规划局",
        ["建设用地", "矿产资源", "测绘", "规划条件"],
    ),
    (
        "环境保护局",
        ["建设项目环境影响", "危险废物", "辐射安全", "污染物排放"],
    ),
    (
        "城乡建设委员会",
        ["建筑工程", "工程质量", "勘察设计", "燃气工程"],
    ),
    (
        "城市管理委员会",
        ["户外广告", "渣土运输", "城市道路占用", "生活垃圾处置"],
    ),
    (
        "交通运输委员会",
        ["道路客运", "道路货运", "港口经营", "机动车维修"],
    ),
    ("水务局", ["取水", "河道管理", "水土保持", "排水"]),
    ("农业委员会", ["种子", "农药", "动物防疫", "渔业捕捞"]),
    ("商务局", ["对外贸易", "成品油", "拍卖", "二手车流通"]),
    ("文化局", ["演出", "网络文化", "文物保护", "出版物"]),
    (
        "卫生和计划生育委员会",
        ["医疗机构", "公共场所卫生", "放射诊疗", "母婴保健"],
    ),
    (
        "工商行政管理局",
        ["企业登记", "个体工商户", "商标广告", "合同备案"],
    ),
    (
        "质量技术监督局",
        ["特种设备", "计量器具", "工业产品", "检验检测机构"],
    ),
    (
        "食品药品监督管理局",
        ["食品生产", "食品流通", "药品", "医疗器械"],
    ),
    (
        "安全生产监督管理局",
        ["危险化学品", "烟花爆竹", "安全培训", "职业卫生"],
    ),
    ("统计局", ["涉外调查", "统计从业", "统计登记", "调查项目"]),
    (
        "体育局",
        ["健身气功", "高危体育项目", "体育场馆", "运动员等级"],
    ),
    (
        "园林和林业局",
        ["林木采伐", "野生动物", "城市绿化", "植物检疫"],
    ),
    ("旅游发展委员会", ["旅行社", "导游", "旅游景区", "星级饭店"]),
    (
        "住房保障和房屋管理局",
        ["商品房预售", "房屋租赁", "物业服务", "白蚁防治"],
    ),
    (
        "人民防空办公室",
        ["人防工程", "防空地下室", "人防设备", "通信警报"],
    ),
    ("国家税务局", ["发票", "出口退税", "税收优惠", "纳税申报"]),
    ("地方税务局", ["契税", "个人所得税", "房产税", "税务行政"]),
    ("气象局", ["防雷装置", "升放气球", "气象探测", "气候论证"]),
    (
        "烟草专卖局",
        ["烟草零售", "烟草准运", "烟草批发", "烟叶种植"],
    ),
    (
        "残疾人联合会",
        ["残疾人就业", "残疾人康复", "辅助器具", "残疾人补贴"],
    ),
    (
        "住房公积金管理中心",
        ["公积金缴存", "公积金提取", "公积金贷款", "公积金转移"],
    ),
];

/// A district or zone: name, last digits of its division, weight of its population and trade.
type District = (&'static str, u8, u64);

/// The 12 districts and 4 zones, each with an approval bureau.
pub(super) const DISTRICTS: [District; 16] = [
    ("江岸区", 2, 96),
    ("江汉区", 3, 73),
    ("硚口区", 4, 87),
    ("汉阳区", 5, 66),
    ("武昌区", 6, 128),
    ("青山区", 7, 53),
    ("洪山区", 11, 163),
    ("东西湖区", 12, 58),
    ("蔡甸区", 14, 46),
    ("江夏区", 15, 92),
    ("黄陂区", 16, 98),
    ("新洲区", 17, 90),
    ("武汉经济技术开发区", 71, 44),
    ("东湖新技术开发区", 72, 120),
    ("东湖生态旅游风景区", 73, 8),
    ("武汉化学工业区", 74, 6),
];

/// A department of the data set.
#[derive(Clone, Debug)]
pub(super) struct Office {
    /// Unified social credit code, made up.
    pub(super) code: DepartmentCode,
    /// Name.
    pub(super) name: String,
    /// Whether it is a district's.
    pub(super) district: bool,
}

/// All of them: the city's first, then the districts'.
pub(super) fn all() -> Result<Vec<Office>, IdError> {
    let city = CITY
        .iter()
        .map(|(name, _)| (format!("武汉市{name}"), 0, false));
    let districts = DISTRICTS
        .iter()
        .map(|(name, digits, _)| (format!("{name}行政审批局"), *digits, true));
    let office = |(place, (name, digits, district)): (usize, (String, u8, bool))| {
        let body = format!(
            "11{}{}",
            division(digits),
            organisation_code(FIRST_ORGANISATION + place as u64)
        );
        Ok(Office {
            code: DepartmentCode::from_body(&body)?,
            name,
            district,
        })
    };
    city.chain(districts).enumerate().map(office).collect()
}

/// The made-up division whose last two digits are these: 0 for the city as a whole.
pub(super) fn division(digits: u8) -> String {
    format!("9901{digits:02}")
}

/// The place of a department of the city; 0 for an unknown name.
pub(super) fn place_of(name: &str) -> usize {
    CITY.iter()
        .position(|(of, _)| *of == name)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_department_has_a_valid_code_that_no_real_department_can_have() {
        let offices = all().unwrap();
        assert_eq!(offices.len(), CITY.len() + DISTRICTS.len());
        assert_eq!(offices.iter().filter(|office| office.district).count(), 16);
        let mut seen = BTreeSet::new();
        for office in &offices {
            assert_eq!(office.code.as_str().parse(), Ok(office.code));
            assert!(office.code.division().as_str().starts_with("9901"));
            assert!(seen.insert(office.code.to_string()) && seen.insert(office.name.clone()));
        }
    }
}
